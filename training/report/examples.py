"""Rows worth looking at: where the model is most right, most wrong, and a few at random."""

import numpy as np
from numpy.typing import NDArray

from training.metrics.arrays import Scores, Truth
from training.metrics.calibration import SMALLEST

EACH = 3


def pick(truth: Truth, scores: Scores, seed: int = 0) -> dict[str, list[int]]:
    """Return rows under `best`, `worst` and `random`, by the log loss of calibrated scores [rows, labels].

    The best and the worst are taken among the rows that have a label; without one a row is easily right.
    """
    loss = _row_losses(truth, scores)  # [rows]
    labelled = np.flatnonzero(truth.any(axis=1))
    order = labelled[np.argsort(loss[labelled], kind="stable")]
    drawn = np.random.default_rng(seed).permutation(len(truth))[:EACH]
    return {"best": order[:EACH].tolist(), "worst": order[::-1][:EACH].tolist(), "random": drawn.tolist()}


def _row_losses(truth: Truth, scores: Scores) -> NDArray[np.float64]:
    clipped = np.clip(scores.astype(np.float64), SMALLEST, 1 - SMALLEST)
    losses: NDArray[np.float64] = -np.log(np.where(truth, clipped, 1 - clipped)).mean(axis=1)
    return losses
