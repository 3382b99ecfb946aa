"""Whether a score of .7 is right seven times in ten."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training.metrics.arrays import Scores, Truth, Values, divide, mean

BINS = 15
"""Number of bins of Guo et al., "On Calibration of Modern Neural Networks" (2017)."""
SMALLEST = 1e-7
"""Scores are cut off this far from 0 and 1 before their logarithm is taken."""

Binning = Literal["width", "mass"]
"""Bins of equal width, or of equal numbers of decisions. Most scores of many labels are near 0: with equal mass nearly
all bins lie there, with equal width they show the whole range."""


@dataclass(frozen=True)
class Reliability:
    """A reliability curve: three arrays [bins that hold a decision], by rising score."""

    score: Values
    """Mean score."""
    rate: Values
    """Share of positives."""
    decisions: NDArray[np.int64]


def reliability(truth: NDArray[np.bool_], scores: NDArray[Any], binning: Binning = "width") -> Reliability:
    """Return the curve over all decisions, of any shape."""
    positives, values = truth.ravel(), scores.ravel().astype(np.float64)
    place = _places(values) if binning == "width" else _shares(values)
    count = np.bincount(place, minlength=BINS)
    score = divide(np.bincount(place, values, BINS), count)
    rate = divide(np.bincount(place, positives, BINS), count)
    held = count > 0
    return Reliability(score[held], rate[held], count[held])


def calibration_error(truth: NDArray[np.bool_], scores: NDArray[Any], binning: Binning = "width") -> float:
    """Return the expected calibration error over all decisions: mean distance of score and rate over 15 bins."""
    curve = reliability(truth, scores, binning)
    return float(divide(np.abs(curve.score - curve.rate) @ curve.decisions, curve.decisions.sum()))


def label_calibration_errors(truth: Truth, scores: Scores) -> Values:
    """Return each label's expected calibration error over 15 bins of equal width, [labels]."""
    rows, labels = truth.shape
    place = (_places(scores.astype(np.float64)) + BINS * np.arange(labels)).ravel()  # [rows * labels]
    off = np.bincount(place, scores.ravel().astype(np.float64) - truth.ravel(), BINS * labels)
    errors: Values = np.abs(off).reshape(labels, BINS).sum(axis=1) / max(rows, 1)
    return errors


def brier(truth: Truth, scores: Scores) -> float:
    """Return the mean squared distance of score and truth over all decisions."""
    return mean((scores.astype(np.float64) - truth) ** 2)


def log_loss(truth: Truth, scores: Scores) -> float:
    """Return the mean binary cross-entropy over all decisions, in nats."""
    clipped = np.clip(scores.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return mean(-np.log(np.where(truth, clipped, 1 - clipped)))


def _places(values: Values) -> NDArray[np.int64]:
    return np.minimum((values * BINS).astype(np.int64), BINS - 1)


def _shares(values: Values) -> NDArray[np.int64]:
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks * BINS // max(len(values), 1)
