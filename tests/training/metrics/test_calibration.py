"""Calibration figures against scikit-learn's and against scores whose calibration is known."""

import numpy as np
import pytest
from hypothesis import given
from sklearn import metrics
from sklearn.calibration import calibration_curve

from tests.training.metrics.matrices import Case, cases
from training.metrics.calibration import (
    BINS,
    brier,
    calibration_error,
    label_calibration_errors,
    log_loss,
    reliability,
)


@given(cases())
def test_brier_and_log_loss_agree_with_scikit_learn(case: Case) -> None:
    truth, scores = case
    flat = scores.ravel().astype(np.float64)
    assert brier(truth, scores) == pytest.approx(metrics.brier_score_loss(truth.ravel(), flat, labels=[0, 1]))
    assert log_loss(truth, scores) == pytest.approx(metrics.log_loss(truth.ravel(), flat, labels=[0, 1]), rel=1e-4)


@given(cases())
def test_the_reliability_curve_agrees_with_scikit_learn(case: Case) -> None:
    truth, scores = case
    if len(np.unique(truth)) < 2:
        return
    # Scores on a bin's edge may fall on either side of it in floating point.
    moved = (scores.astype(np.float64) * 0.9137 + 0.0003).astype(np.float32)
    rate, score = calibration_curve(truth.ravel(), moved.ravel().astype(np.float64), n_bins=BINS)
    curve = reliability(truth, moved)
    np.testing.assert_allclose(curve.rate, rate)
    np.testing.assert_allclose(curve.score, score)
    assert curve.decisions.sum() == truth.size


@given(cases())
def test_each_labels_error_is_that_of_its_column(case: Case) -> None:
    truth, scores = case
    columns = [calibration_error(truth[:, at], scores[:, at]) for at in range(truth.shape[1])]
    np.testing.assert_allclose(label_calibration_errors(truth, scores), columns, atol=1e-9)


def test_calibrated_scores_have_nearly_no_error_and_overconfident_ones_have_much() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((20_000, 4)).astype(np.float32)
    truth = rng.random(scores.shape) < scores
    sharpened = scores**3 / (scores**3 + (1 - scores) ** 3)
    for binning in ("width", "mass"):
        assert calibration_error(truth, scores, binning) < 0.01
        assert calibration_error(truth, sharpened, binning) > 0.1


def test_bins_of_equal_mass_hold_equal_numbers_of_decisions() -> None:
    rng = np.random.default_rng(0)
    scores = rng.beta(0.1, 2, (300, 5)).astype(np.float32)
    curve = reliability(scores > 0.5, scores, "mass")
    assert curve.decisions.tolist() == [100] * BINS


def test_scores_of_exactly_0_and_1_are_counted_and_cost_a_finite_loss() -> None:
    truth, scores = np.array([[True, False]]), np.array([[0.0, 1.0]], dtype=np.float32)
    assert calibration_error(truth, scores) == 1
    assert np.isfinite(log_loss(truth, scores))
