"""One line of figures for each label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.metrics.arrays import Assigned, Scores, Truth
from training.metrics.calibration import label_calibration_errors
from training.metrics.counts import Counts
from training.metrics.ranking import average_precision, roc_auc


@dataclass(frozen=True)
class LabelFigures:
    """How one label fares."""

    label: str
    support: int
    """Rows that have it."""
    assigned: int
    """Rows that were given it."""
    precision: float
    recall: float
    f1: float
    threshold: float
    average_precision: float | None
    """None for a label without a positive."""
    auc: float | None
    """None for a label without a positive or without a negative."""
    calibration_error: float


def per_label(
    truth: Truth, scores: Scores, assigned: Assigned, labels: Sequence[str], thresholds: Sequence[float]
) -> list[LabelFigures]:
    """Return the figures of each label, in the order of the columns."""
    counts, errors = Counts.of(truth, assigned, axis=0), label_calibration_errors(truth, scores)
    precision, recall, f1 = counts.precision, counts.recall, counts.f1  # each [labels]
    return [
        LabelFigures(
            label=label,
            support=int(counts.positives[at]),
            assigned=int(counts.assigned[at]),
            precision=float(precision[at]),
            recall=float(recall[at]),
            f1=float(f1[at]),
            threshold=float(threshold),
            average_precision=average_precision(truth[:, at], scores[:, at]),
            auc=roc_auc(truth[:, at], scores[:, at]),
            calibration_error=float(errors[at]),
        )
        for at, (label, threshold) in enumerate(zip(labels, thresholds, strict=True))
    ]


def mean_defined(values: Sequence[float | None]) -> float:
    """Return the mean of the values that are defined, and 0 where none is."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else 0.0
