"""The decision rule: calibration, implications, thresholds, the fallback; in any batch alike."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from features import labels as module
from features.labels import Calibration, Isotonic, Label, LabelSet, Temperature

Scores = NDArray[np.float32]


@st.composite
def _isotonic(draw: st.DrawFn, labels: int) -> Isotonic:
    def points() -> list[tuple[float, float]]:
        size = draw(st.integers(1, 6))
        values = st.lists(st.integers(0, 100), min_size=size, max_size=size)
        x, y = (sorted(value / 100 for value in draw(values)) for _ in range(2))
        return list(zip(x, y, strict=True))

    return Isotonic(knots=[points() for _ in range(labels)])


@st.composite
def _label_sets(draw: st.DrawFn, labels: int = 6) -> LabelSet:
    thresholds = draw(st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=labels, max_size=labels))
    key = st.integers(0, labels - 1).map(lambda at: f"l{at}")
    temperature = st.floats(0.05, 20).map(lambda value: Temperature(temperature=value))
    return LabelSet(
        labels=[Label(label=f"l{at}", name=f"L{at}", threshold=value) for at, value in enumerate(thresholds)],
        implications=draw(st.lists(st.tuples(key, key), max_size=6)),
        calibration=draw(st.one_of(st.none(), temperature, _isotonic(labels))),
    )


@st.composite
def _scores(draw: st.DrawFn, labels: int = 6) -> Scores:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, steps = draw(st.integers(1, 20)), draw(st.sampled_from([4, 100, 2**24]))
    return (rng.integers(0, steps + 1, (rows, labels)) / steps).astype(np.float32)


@given(_label_sets(), _scores())
def test_an_implied_label_scores_as_high_and_is_assigned_too(label_set: LabelSet, scores: Scores) -> None:
    calibrated = label_set.calibrate(scores)
    assigned = label_set.assign(calibrated)
    given_threshold = label_set.assign(calibrated, 0.4)
    for a, b in np.argwhere(label_set.closure):
        assert (calibrated[:, b] >= calibrated[:, a]).all()
        assert (assigned[:, b] >= assigned[:, a]).all()
        assert (given_threshold[:, b] >= given_threshold[:, a]).all()


@given(_label_sets(), _scores())
def test_the_fallback_leaves_no_row_empty_and_adds_nothing_elsewhere(label_set: LabelSet, scores: Scores) -> None:
    calibrated = label_set.calibrate(scores)
    assigned = label_set.assign(calibrated)
    bare = label_set.model_copy(update={"top_1_fallback": False}).assign(calibrated)
    assert assigned.any(axis=1).all()
    filled = ~bare.any(axis=1)
    np.testing.assert_array_equal(assigned[~filled], bare[~filled])
    best = (calibrated == calibrated.max(axis=1, keepdims=True))[filled]
    assert (best | ~assigned[filled]).all()


@given(_label_sets(), _scores())
def test_rows_are_decided_alone_as_in_a_batch(label_set: LabelSet, scores: Scores) -> None:
    together = label_set.calibrate(scores)
    alone = np.concatenate([label_set.calibrate(scores[at : at + 1]) for at in range(len(scores))])
    np.testing.assert_array_equal(alone, together)
    decided = [label_set.assign(alone[at : at + 1]) for at in range(len(scores))]
    np.testing.assert_array_equal(np.concatenate(decided), label_set.assign(together))


@given(_label_sets(), _scores())
def test_calibrated_scores_stay_between_0_and_1_and_keep_a_labels_order(label_set: LabelSet, scores: Scores) -> None:
    calibrated = scores if label_set.calibration is None else label_set.calibration.apply(scores)
    assert calibrated.dtype == np.float32
    assert calibrated.min() >= 0
    assert calibrated.max() <= 1
    for raw, mapped in zip(scores.T, calibrated.T, strict=True):
        assert (np.diff(mapped[np.argsort(raw, kind="stable")]) >= 0).all()


@given(_isotonic(6), _scores())
def test_an_isotonic_map_is_linear_between_its_knots(calibration: Isotonic, scores: Scores) -> None:
    mapped = calibration.apply(scores)
    for at, points in enumerate(calibration.knots):
        x, y = (np.array(values) for values in zip(*points, strict=True))
        # On a knot of several heights any of them is right; numpy takes one, we take the highest.
        away = ~np.isin(scores[:, at], x.astype(np.float32))
        np.testing.assert_allclose(mapped[away, at], np.interp(scores[away, at], x, y), atol=1e-5)


def test_many_rows_are_mapped_in_blocks_to_the_same_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    calibration = Isotonic(knots=[[(0.1, 0.0), (0.5, 0.8)], [(0.0, 0.2)]])
    scores = np.random.default_rng(0).random((50, 2)).astype(np.float32)
    at_once = calibration.apply(scores)
    monkeypatch.setattr(module, "BLOCK", 7)
    np.testing.assert_array_equal(calibration.apply(scores), at_once)


def test_a_temperature_of_one_changes_nothing_and_extremes_stay_finite() -> None:
    scores = np.array([[0.0, 1e-6, 0.3, 0.999, 1.0]], dtype=np.float32)
    np.testing.assert_allclose(Temperature(temperature=1).apply(scores), scores, rtol=1e-4, atol=2e-7)
    assert Temperature(temperature=0.01).apply(scores).tolist()[0] == pytest.approx([0, 0, 0, 1, 1], abs=1e-6)


def _three(implications: list[tuple[str, str]], calibration: Calibration | None = None) -> LabelSet:
    labels = [Label(label=key, name=key.upper(), threshold=0.5) for key in "abc"]
    return LabelSet(labels=labels, implications=implications, calibration=calibration)


def test_implications_reach_through_others_and_around_circles() -> None:
    chain = _three([("a", "b"), ("b", "c")])
    assert chain.closure.tolist() == [[True, True, True], [False, True, True], [False, False, True]]
    scores = np.array([[0.9, 0.1, 0.2], [0.1, 0.7, 0.2]], dtype=np.float32)
    np.testing.assert_allclose(chain.calibrate(scores), [[0.9, 0.9, 0.9], [0.1, 0.7, 0.7]])
    assert _three([("a", "b"), ("b", "c"), ("c", "a")]).closure.all()


def test_of_equal_scores_the_fallback_takes_one_with_what_it_implies() -> None:
    scores = np.array([[0.2, 0.2, 0.2], [0.0, 0.0, 0.0], [0.1, 0.2, 0.1]], dtype=np.float32)
    assert _three([]).assign(scores).sum(axis=1).tolist() == [1, 1, 1]
    assert _three([("c", "a")]).assign(scores).tolist() == [
        [True, False, True],
        [True, False, True],
        [False, True, False],
    ]


def test_a_callers_threshold_may_leave_a_row_empty() -> None:
    scores = np.array([[0.3, 0.2, 0.1]], dtype=np.float32)
    assert _three([]).assign(scores).tolist() == [[True, False, False]]
    assert _three([]).assign(scores, 0.9).tolist() == [[False, False, False]]


def test_another_decision_takes_effect_though_the_old_one_was_used_before() -> None:
    before = _three([("a", "b")])
    scores = np.array([[0.3, 0.2, 0.1]], dtype=np.float32)
    before.assign(before.calibrate(scores))
    after = before.with_decision(Temperature(temperature=2), [0.05, 0.9, 0.1])
    assert [label.threshold for label in after.labels] == [0.05, 0.9, 0.1]
    assert after.assign(scores).tolist() == [[True, True, True]]
    assert after.calibration == Temperature(temperature=2)
    with pytest.raises(ValueError, match="zip"):
        before.with_decision(None, [0.5])


def test_sets_are_equal_and_copied_by_their_fields_though_they_were_used() -> None:
    used, fresh = (_three([("a", "b")], Isotonic(knots=[[(0.1, 0.2)]] * 3)) for _ in range(2))
    scores = np.array([[0.9, 0.1, 0.1]], dtype=np.float32)
    assert used.assign(scores).tolist() == [[True, True, False]]
    used.calibrate(scores)
    assert used == fresh
    assert used != _three([])
    assert used.model_copy(update={"implications": []}).assign(scores).tolist() == [[True, False, False]]
    assert used.calibration == fresh.calibration


def test_a_set_survives_json() -> None:
    label_set = _three([("a", "b")], Isotonic(knots=[[(0.1, 0.2)]] * 3))
    assert LabelSet.model_validate_json(label_set.model_dump_json()) == label_set


def test_implications_of_labels_that_are_left_out_are_left_out() -> None:
    kept = LabelSet.of([Label(label="a", name="A")], [("a", "b"), ("a", "a")])
    assert kept.implications == [("a", "a")]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _three([("a", "z")]), "unknown labels: z"),
        (lambda: LabelSet(labels=[Label(label="a", name="A")] * 2), "twice"),
        (lambda: _three([], Isotonic(knots=[[(0.0, 0.0)]])), "1 calibration maps for 3 labels"),
        (lambda: Isotonic(knots=[[(0.5, 0.5), (0.6, 0.4)]]), "must rise"),
        (lambda: Isotonic(knots=[[]]), "must rise"),
    ],
)
def test_what_does_not_hold_together_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make()
