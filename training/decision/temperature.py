"""The temperature that makes scores most likely."""

import numpy as np

from features.labels import SMALLEST, Temperature
from training.metrics.arrays import Scores, Truth

BOUNDS = (0.05, 20.0)
"""Temperatures outside of these tell of a broken model rather than of an overconfident one."""
STEPS = 40


def fit_temperature(scores: Scores, truth: Truth) -> Temperature:
    """Minimise the log loss of sigmoid(logit / T) over all decisions [rows, labels].

    The loss is convex in 1 / T, so its derivative is halved in on. Source: Guo et al. (2017), for sigmoids.
    """
    clipped = np.clip(scores.astype(np.float64), SMALLEST, 1 - SMALLEST)
    logits = np.log(clipped / (1 - clipped))
    wanted = logits[truth].sum()
    low, high = np.log(1 / BOUNDS[1]), np.log(1 / BOUNDS[0])  # of 1 / T
    for _ in range(STEPS):
        middle = (low + high) / 2
        expected = (logits / (1 + np.exp(-np.clip(np.exp(middle) * logits, -500, 500)))).sum()
        low, high = (low, middle) if expected > wanted else (middle, high)
    return Temperature(temperature=round(float(np.exp(-(low + high) / 2)), 6))
