"""Fitted rules: calibration that calibrates, thresholds that are as good as searching them all, honest estimates."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from features.labels import Label, LabelSet, Temperature
from tests.training.metrics.matrices import cases
from training.decision.ascent import Ascent
from training.decision.config import DecisionConfig
from training.decision.fit import cross_fit, fit_labels
from training.decision.isotonic import fit_isotonic, rising_points
from training.decision.objective import objective
from training.decision.temperature import fit_temperature
from training.metrics.averages import macro_f1, micro_f1
from training.metrics.calibration import calibration_error, log_loss

Truth = NDArray[np.bool_]
Scores = NDArray[np.float32]


def _labels(count: int, implications: list[tuple[str, str]] | None = None, fallback: bool = True) -> LabelSet:
    labels = [Label(label=f"l{at}", name=f"L{at}") for at in range(count)]
    return LabelSet(labels=labels, implications=implications or [], top_1_fallback=fallback)


def _sample(rows: int, labels: int, seed: int = 0, sharpness: float = 1.0) -> tuple[Scores, Truth]:
    """Draw truth by known chances, ever rarer from label to label, and scores that overstate them by `sharpness`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1 - np.arange(labels) / 3, 2, (rows, labels))
    truth = rng.random((rows, labels)) < 1 / (1 + np.exp(-logits))
    return (1 / (1 + np.exp(-sharpness * logits))).astype(np.float32), truth


@st.composite
def _configs(draw: st.DrawFn) -> DecisionConfig:
    calibration: Literal["none", "temperature", "isotonic"] = draw(st.sampled_from(["none", "temperature", "isotonic"]))
    thresholds: Literal["default", "global", "per_label", "shrunk"] = draw(
        st.sampled_from(["default", "global", "per_label", "shrunk"])
    )
    return DecisionConfig(
        calibration=calibration, thresholds=thresholds, micro_share=draw(st.sampled_from([0, 0.5, 1])), min_positives=1
    )


@settings(max_examples=60, deadline=None)
@given(cases(), _configs(), st.booleans())
def test_a_fitted_rule_is_never_worse_than_one_half_on_its_own_rows(
    case: tuple[Truth, Scores], config: DecisionConfig, fallback: bool
) -> None:
    truth, scores = case
    bare = _labels(truth.shape[1], [("l0", f"l{truth.shape[1] - 1}")], fallback)
    fitted = fit_labels(scores, truth, bare, config)
    thresholds = [label.threshold for label in fitted.labels]
    assert all(0 <= threshold <= 1 for threshold in thresholds)
    assert LabelSet.model_validate_json(fitted.model_dump_json()) == fitted
    calibrated = fitted.calibrate(scores)
    default = fitted.with_decision(fitted.calibration, [0.5] * len(thresholds))
    values = [objective(calibrated, truth, rule, config.micro_share) for rule in (fitted, default)]
    assert values[0] >= values[1]


@settings(max_examples=40, deadline=None)
@given(cases(most_labels=5), st.booleans())
def test_the_ascent_reckons_every_step_as_the_whole_rule_does(case: tuple[Truth, Scores], fallback: bool) -> None:
    truth, scores = case
    count = truth.shape[1]
    rule = _labels(count, [(f"l{at}", f"l{at + 1}") for at in range(0, count - 1, 2)], fallback)
    scores = rule.calibrate(scores)
    ascent = Ascent(scores, truth, rule, 1.0)
    found = ascent.climb(np.full(count, 0.5), np.ones(count, dtype=bool), 3)
    decided = rule.with_decision(None, found.tolist()).assign(scores)
    np.testing.assert_array_equal(ascent._assigned, decided)
    np.testing.assert_array_equal(ascent._hits, (decided & truth).sum(axis=0))
    for at in range(count):
        now = int((scores[:, at] >= np.float32(found[at])).sum())
        assert ascent._values(at)[now] == pytest.approx(micro_f1(truth, decided))


def test_one_label_gets_the_best_of_all_its_thresholds() -> None:
    scores, truth = _sample(300, 1)
    config = DecisionConfig(calibration="none", thresholds="per_label")
    fitted = fit_labels(scores, truth, _labels(1, fallback=False), config)
    best = max(micro_f1(truth, scores >= threshold) for threshold in scores[:, 0])
    assert micro_f1(truth, fitted.assign(scores)) == pytest.approx(best)


def test_the_share_of_micro_f1_decides_which_of_the_two_is_higher() -> None:
    scores, truth = _sample(3000, 10, sharpness=0.7)
    found = {}
    for share in (0.0, 1.0):
        config = DecisionConfig(calibration="none", thresholds="per_label", micro_share=share)
        assigned = fit_labels(scores, truth, _labels(10), config).assign(scores)
        found[share] = (micro_f1(truth, assigned), macro_f1(truth, assigned))
    assert found[1.0][0] > found[0.0][0]
    assert found[0.0][1] > found[1.0][1]


def test_a_label_with_too_few_positives_for_a_threshold_of_its_own_has_the_one_for_all() -> None:
    scores, truth = _sample(2000, 4)
    truth[3:, 3] = False
    one = fit_labels(scores, truth, _labels(4), DecisionConfig(calibration="none", thresholds="global"))
    own = fit_labels(scores, truth, _labels(4), DecisionConfig(calibration="none", thresholds="per_label"))
    assert len({label.threshold for label in one.labels}) == 1
    assert own.labels[3] == one.labels[3]
    assert own.labels[0] != one.labels[0]


def test_mixing_truth_with_scores_helps_rare_labels_on_new_rows_and_leaves_common_ones() -> None:
    gains = []
    for seed in range(5):
        scores, truth = _sample(150, 12, seed)
        held, wanted = _sample(3000, 12, seed + 100)
        found = []
        for shrinkage in (20.0, 0.0):
            config = DecisionConfig(calibration="none", micro_share=0, shrinkage_positives=shrinkage)
            found.append(macro_f1(wanted, fit_labels(scores, truth, _labels(12), config).assign(held)))
        gains.append(found[0] - found[1])
    assert np.mean(gains) > 0.01
    scores, truth = _sample(5000, 1)
    own, mixed = (
        fit_labels(scores, truth, _labels(1), DecisionConfig(calibration="none", shrinkage_positives=shrinkage))
        for shrinkage in (0.0, 20.0)
    )
    assert mixed.labels[0].threshold == pytest.approx(own.labels[0].threshold, abs=0.05)


def test_the_temperature_that_sharpened_the_scores_is_found() -> None:
    scores, truth = _sample(20_000, 4, sharpness=2.5)
    temperature = fit_temperature(scores, truth)
    assert temperature.temperature == pytest.approx(2.5, rel=0.05)
    losses = [
        log_loss(truth, Temperature(temperature=temperature.temperature * factor).apply(scores))
        for factor in (0.98, 1.0, 1.02)
    ]
    assert losses[1] == min(losses)
    assert log_loss(truth, temperature.apply(scores)) < log_loss(truth, scores)


@pytest.mark.parametrize("kind", ["temperature", "isotonic"])
def test_calibration_lowers_the_error_on_rows_it_has_not_seen(kind: Literal["temperature", "isotonic"]) -> None:
    scores, truth = _sample(6000, 6, sharpness=2.0)
    fitted = fit_labels(scores[:3000], truth[:3000], _labels(6), DecisionConfig(calibration=kind))
    held, wanted = scores[3000:], truth[3000:]
    assert calibration_error(wanted, fitted.calibrate(held)) < 0.35 * calibration_error(wanted, held)


@settings(deadline=None)
@given(cases(most_labels=1), st.integers(3, 20))
def test_isotonic_points_rise_are_few_and_keep_order(case: tuple[Truth, Scores], most: int) -> None:
    truth, scores = case
    points = rising_points(scores[:, 0], truth[:, 0], most)
    x, y = zip(*points, strict=True)
    assert len(points) <= most
    assert list(x) == sorted(x)
    assert list(y) == sorted(y)
    assert (points[0], points[-1]) == ((0.0, 0.0), (1.0, 1.0))


def test_labels_with_few_positives_share_one_isotonic_map() -> None:
    scores, truth = _sample(400, 4)
    truth[10:, 2:] = False
    first, second, *rare = fit_isotonic(scores, truth, DecisionConfig(isotonic_min_positives=20)).knots
    assert rare[0] == rare[1]
    assert len({str(points) for points in (first, second, rare[0])}) == 3


def test_the_cross_fitted_estimate_is_nearer_to_new_rows_than_the_fitted_one() -> None:
    config = DecisionConfig(calibration="isotonic", thresholds="per_label", micro_share=0, min_positives=1)
    flattery, honest = [], []
    for seed in range(5):
        scores, truth = _sample(150, 8, seed)
        held, wanted = _sample(3000, 8, seed + 100)
        rule = fit_labels(scores, truth, _labels(8), config)
        new = macro_f1(wanted, rule.assign(rule.calibrate(held)))
        flattery.append(macro_f1(truth, rule.assign(rule.calibrate(scores))) - new)
        honest.append(macro_f1(truth, cross_fit(scores, truth, _labels(8), config).assigned) - new)
    assert np.mean(flattery) > 0.03
    assert abs(np.mean(honest)) < 0.5 * np.mean(flattery)


def test_a_cross_fitted_row_does_not_depend_on_its_own_truth() -> None:
    scores, truth = _sample(60, 3)
    config = DecisionConfig(thresholds="global")
    before = cross_fit(scores, truth, _labels(3), config, folds=60).scores[7]
    truth[7] = ~truth[7]
    np.testing.assert_array_equal(cross_fit(scores, truth, _labels(3), config, folds=60).scores[7], before)


def test_what_cannot_be_fitted_is_refused_with_its_shapes() -> None:
    scores, truth = _sample(10, 3)
    with pytest.raises(ValueError, match=r"4 labels.*\(10, 3\)"):
        fit_labels(scores, truth, _labels(4), DecisionConfig())
    with pytest.raises(ValueError, match="scores and truth"):
        fit_labels(scores[:0], truth[:0], _labels(3), DecisionConfig())
    with pytest.raises(ValueError, match="folds"):
        cross_fit(scores, truth, _labels(3), DecisionConfig(), folds=11)
