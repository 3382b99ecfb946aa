"""How well scores rank: labels within a row (LRAP), rows within a label (average precision, AUC)."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from training.metrics.arrays import Scores, Truth, Values, divide, mean

CELLS = 4_000_000
"""Comparisons of label with label held in memory at a time."""


@dataclass(frozen=True)
class Sweep:
    """What lowering one label's threshold does: one entry for each distinct score, from the highest."""

    scores: NDArray[Any]
    """[distinct], falling."""
    hits: NDArray[np.int64]
    """Positives with at least that score, [distinct]."""
    assigned: NDArray[np.int64]
    """Rows with at least that score, [distinct]."""

    @classmethod
    def of(cls, truth: NDArray[np.bool_], scores: NDArray[Any]) -> Self:
        """Sort one label's truth and scores, both [rows]."""
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], len(ranked) > 0)[: len(ranked)])
        return cls(ranked[last], np.cumsum(truth[order], dtype=np.int64)[last], last + 1)


def average_precision(truth: NDArray[np.bool_], scores: NDArray[Any]) -> float | None:
    """Return the precision averaged over the positives of one label [rows]; None where it has none."""
    if not truth.any():
        return None
    sweep = Sweep.of(truth, scores)
    return float(np.diff(sweep.hits, prepend=0) @ (sweep.hits / sweep.assigned) / sweep.hits[-1])


def roc_auc(truth: NDArray[np.bool_], scores: NDArray[Any]) -> float | None:
    """Return the chance that a positive of one label [rows] scores above a negative; None where it lacks either."""
    if truth.all() or not truth.any():
        return None
    sweep = Sweep.of(truth, scores)
    hits = np.append(0, sweep.hits)  # [distinct + 1]
    misses = np.append(0, sweep.assigned) - hits
    return float(np.trapezoid(hits, misses) / (hits[-1] * misses[-1]))


def row_precisions(truth: Truth, scores: Scores) -> Values:
    """Return each row's label ranking average precision, [rows]; 1 where it has no label or all of them.

    For each label of the row: the share, among the labels that score at least as high, of those that it has.
    """
    rows, labels = truth.shape
    step = max(1, CELLS // max(1, labels * labels))
    parts = [_row_precisions(truth[at : at + step], scores[at : at + step]) for at in range(0, rows, step)]
    return np.concatenate(parts) if parts else np.zeros(0)


def lrap(truth: Truth, scores: Scores) -> float:
    """Return the label ranking average precision of scores [rows, labels]."""
    return mean(row_precisions(truth, scores))


def _row_precisions(truth: Truth, scores: Scores) -> Values:
    above = scores[:, None, :] >= scores[:, :, None]  # [rows, labels, labels at least as high]
    rank = np.count_nonzero(above, axis=2)  # [rows, labels]
    right = np.count_nonzero(above & truth[:, None, :], axis=2)  # [rows, labels]
    own = np.count_nonzero(truth, axis=1)  # [rows]
    found = divide((divide(right, rank) * truth).sum(axis=1), own)
    return np.where((own == 0) | (own == truth.shape[1]), 1.0, found)
