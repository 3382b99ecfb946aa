"""Confidence intervals by resampling rows (Efron's percentile bootstrap), alone and paired.

Resampling is a matter of weights: how often each row was drawn. Figures that are made of sums over rows then cost one
matrix product for hundreds of resamples. The same number of rows and the same seed give the same resamples, so that
two models' distributions can be subtracted sample by sample.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics.arrays import Assigned, Scores, Truth, Values, divide
from training.metrics.counts import Counts
from training.metrics.ranking import row_precisions

SAMPLES = 1000
CONFIDENCE = 0.95

Weights = NDArray[np.float32]
"""How often each row was drawn, [samples, rows]."""
Distributions = dict[str, Values]
"""For each figure its values, [samples]."""
Statistic = Callable[[Weights], Distributions]


@dataclass(frozen=True)
class Interval:
    """What was found on the rows themselves, and where it lies in 95% of the resamples."""

    value: float
    low: float
    high: float


def resample(rows: int, statistic: Statistic, samples: int = SAMPLES, seed: int = 0) -> Distributions:
    """Return a statistic's figures over `samples` draws, with replacement, of as many rows as there are."""
    if rows < 1 or samples < 1:
        raise ValueError(f"a bootstrap needs rows and samples; got {rows} rows and {samples} samples")
    parts = [statistic(weights) for weights in _draws(rows, samples, seed)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def intervals(rows: int, statistic: Statistic, samples: int = SAMPLES, seed: int = 0) -> dict[str, Interval]:
    """Return each figure with its percentile interval."""
    drawn = resample(rows, statistic, samples, seed)
    return _intervals(_found(rows, statistic), drawn)


def differences(
    rows: int, ours: Statistic, theirs: Statistic, samples: int = SAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Return ours minus theirs for each figure that both have, with the interval over the same resamples of both."""
    mine, other = resample(rows, ours, samples, seed), resample(rows, theirs, samples, seed)
    here, there = _found(rows, ours), _found(rows, theirs)
    shared = [name for name in mine if name in other]
    return _intervals(
        {name: here[name] - there[name] for name in shared}, {name: mine[name] - other[name] for name in shared}
    )


def row_means(**values: NDArray[Any]) -> Statistic:
    """Make the statistic of figures that are means over rows, each given as values [rows]."""
    matrix = np.stack([np.asarray(column, dtype=np.float32) for column in values.values()], axis=1)  # [rows, figures]

    def statistic(weights: Weights) -> Distributions:
        means = (weights @ matrix).astype(np.float64) / weights.sum(axis=1, keepdims=True)  # [samples, figures]
        return dict(zip(values, means.T, strict=True))

    return statistic


def classification(truth: Truth, scores: Scores, assigned: Assigned) -> Statistic:
    """Make the statistic of a classifier: micro and macro F1, precision, recall, and the means over rows."""
    hits, given, there = (part.astype(np.float32) for part in (truth & assigned, assigned, truth))  # [rows, labels]
    means = row_means(
        f1_samples=Counts.of(truth, assigned, axis=1).f1,
        subset_accuracy=(truth == assigned).all(axis=1),
        hamming_loss=(truth != assigned).mean(axis=1),
        lrap=row_precisions(truth, scores),
    )

    def statistic(weights: Weights) -> Distributions:
        by_label = Counts(*((weights @ part).astype(np.float64) for part in (hits, given, there)))  # [samples, labels]
        pooled, occurs = by_label.pooled(), by_label.positives > 0
        return {
            "f1_micro": pooled.f1,
            "f1_macro": divide((by_label.f1 * occurs).sum(axis=1), occurs.sum(axis=1)),
            "precision_micro": pooled.precision,
            "recall_micro": pooled.recall,
            **means(weights),
        }

    return statistic


def _draws(rows: int, samples: int, seed: int) -> Iterator[Weights]:
    rng = np.random.default_rng(seed)
    step = max(1, 4_000_000 // rows)  # weights held in memory: 16 MB
    for at in range(0, samples, step):
        count = min(step, samples - at)
        drawn = rng.integers(rows, size=(count, rows)) + rows * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows).astype(np.float32)


def _found(rows: int, statistic: Statistic) -> dict[str, float]:
    return {name: float(values[0]) for name, values in statistic(np.ones((1, rows), dtype=np.float32)).items()}


def _intervals(found: Mapping[str, float], drawn: Mapping[str, Values]) -> dict[str, Interval]:
    tails = [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]
    limits = {name: np.percentile(values, tails) for name, values in drawn.items()}
    return {name: Interval(value, *map(float, limits[name])) for name, value in found.items()}
