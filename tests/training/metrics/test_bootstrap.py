"""Bootstrap distributions against figures computed on rows that were really repeated."""

import time

import numpy as np
import pytest
from hypothesis import given, settings

from tests.training.metrics.matrices import Case, cases
from training.metrics.averages import macro_f1, micro_f1
from training.metrics.bootstrap import Weights, classification, differences, intervals, resample, row_means
from training.metrics.classification import measure


@settings(max_examples=30)
@given(cases())
def test_each_sample_is_the_figure_of_the_rows_drawn(case: Case) -> None:
    truth, scores = case
    assigned = scores >= 0.5
    statistic = classification(truth, scores, assigned)
    seen: list[np.ndarray] = []

    def watched(weights: Weights) -> dict[str, np.ndarray]:
        seen.extend(weights)
        return statistic(weights)

    drawn = resample(len(truth), watched, samples=5)
    for at, weights in enumerate(seen):
        rows = np.repeat(np.arange(len(truth)), weights.astype(int))
        assert len(rows) == len(truth)
        wanted = measure(truth[rows], scores[rows], assigned[rows])
        for name, values in drawn.items():
            assert values[at] == pytest.approx(wanted[name], abs=1e-5), name


def _case(rows: int, labels: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    truth = rng.random((rows, labels)) < 0.2
    noise = rng.random((rows, labels)).astype(np.float32)
    return truth, (0.4 * truth + 0.6 * noise).astype(np.float32)


def test_intervals_hold_the_value_repeat_with_the_seed_and_narrow_with_rows() -> None:
    truth, scores = _case(2000, 5)
    assigned = scores >= 0.5
    statistic = classification(truth, scores, assigned)
    found = intervals(2000, statistic, samples=300)
    assert found == intervals(2000, statistic, samples=300)
    assert found != intervals(2000, statistic, samples=300, seed=1)
    assert found["f1_micro"].value == pytest.approx(micro_f1(truth, assigned))
    assert found["f1_macro"].value == pytest.approx(macro_f1(truth, assigned))
    assert all(one.low <= one.value <= one.high for one in found.values())
    few = intervals(200, classification(truth[:200], scores[:200], assigned[:200]), samples=300)["f1_micro"]
    assert few.high - few.low > 2 * (found["f1_micro"].high - found["f1_micro"].low)


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=4000)
    found = intervals(4000, row_means(value=values), samples=2000)["value"]
    error = values.std() / np.sqrt(4000)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def test_a_paired_difference_is_narrower_than_the_two_intervals() -> None:
    truth, scores = _case(1000, 5)
    ours = classification(truth, scores, scores >= 0.5)
    theirs = classification(truth, scores, scores >= 0.48)
    found = differences(1000, ours, theirs, samples=300)["f1_micro"]
    alone = [intervals(1000, one, samples=300)["f1_micro"] for one in (ours, theirs)]
    assert found.value == pytest.approx(alone[0].value - alone[1].value)
    assert found.high - found.low < 0.7 * (alone[0].high - alone[0].low)
    same = differences(1000, ours, ours, samples=50)["f1_micro"]
    assert (same.low, same.value, same.high) == (0, 0, 0)


def test_a_thousand_samples_of_eleven_thousand_rows_take_seconds() -> None:
    truth, scores = _case(11_000, 54)
    statistic = classification(truth, scores, scores >= 0.5)
    began = time.process_time()
    intervals(len(truth), statistic)
    assert time.process_time() - began < 20


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="needs rows"):
        intervals(0, row_means(value=np.ones(0)))
