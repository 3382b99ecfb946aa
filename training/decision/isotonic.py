"""Rising maps from scores to shares of positives, with few points."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.labels import Isotonic
from training.decision.config import DecisionConfig
from training.metrics.arrays import Scores, Truth

DIGITS = 6

Points = list[tuple[float, float]]


def fit_isotonic(scores: Scores, truth: Truth, config: DecisionConfig) -> Isotonic:
    """Fit a map for each label; the labels with too few positives share one, fitted on all their decisions."""
    rare = truth.sum(axis=0) < config.isotonic_min_positives  # [labels]
    pooled = rising_points(scores[:, rare].ravel(), truth[:, rare].ravel(), config.isotonic_knots) if rare.any() else []
    return Isotonic(
        knots=[
            pooled if rare[at] else rising_points(scores[:, at], truth[:, at], config.isotonic_knots)
            for at in range(truth.shape[1])
        ]
    )


def rising_points(scores: NDArray[Any], truth: NDArray[np.bool_], most: int) -> Points:
    """Fit one rising map to scores and truth, both [decisions]: at most `most` points, from (0, 0) to (1, 1).

    Decisions are put into bins that hold equal numbers of positives, for that is where there is something to learn;
    neighbours that fall are pooled, and each pool is one point in its centre. So the map rises everywhere and keeps the
    order of scores, which plain isotonic regression with its steps does not. Source: Oron and Flournoy, "Centered
    Isotonic Regression" (2017).
    """
    positives = int(truth.sum())
    if positives == 0:
        return [(0.0, 0.0), (1.0, 1.0)]
    order = np.argsort(scores, kind="stable")
    values, hits = scores[order].astype(np.float64), truth[order]
    earlier = np.cumsum(hits, dtype=np.int64) - hits  # [decisions]
    share: NDArray[np.int64] = np.floor_divide(earlier * (most - 2), positives)  # [decisions], rising
    distinct = np.append(True, values[1:] != values[:-1])  # a bin may begin only where the score changes
    starts = np.flatnonzero(distinct & np.append(True, _changes(share, distinct)))
    pools = _pool(
        [
            (float(values[a:b].sum()), float(hits[a:b].sum()), b - a)
            for a, b in pairwise([*starts.tolist(), len(values)])
        ]
    )
    found = [(round(score / count, DIGITS), round(hit / count, DIGITS)) for score, hit, count in pools]
    inner = [point for point in found if 0 < point[0] < 1]
    return [(0.0, 0.0), *inner, (1.0, 1.0)]


def _changes(share: NDArray[np.int64], distinct: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell where a new share has begun since the last place at which a bin could begin, [decisions - 1]."""
    places = np.flatnonzero(distinct)
    changed = np.zeros(len(share), dtype=np.bool_)
    changed[places[1:]] = share[places[1:]] != share[places[:-1]]
    return changed[1:]


def _pool(bins: list[tuple[float, float, int]]) -> list[tuple[float, float, int]]:
    """Pool adjacent bins (sum of scores, positives, decisions) until their shares of positives rise."""
    pools: list[tuple[float, float, int]] = []
    for one in bins:
        pools.append(one)
        while len(pools) > 1 and pools[-2][1] * pools[-1][2] >= pools[-1][1] * pools[-2][2]:
            last = pools.pop()
            score, hit, count = pools.pop()
            pools.append((score + last[0], hit + last[1], count + last[2]))
    return pools
