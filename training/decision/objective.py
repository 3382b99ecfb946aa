"""What thresholds maximise."""

import numpy as np

from features.labels import LabelSet
from training.metrics.arrays import Scores, Truth
from training.metrics.averages import macro_f1, micro_f1


def objective(calibrated: Scores, truth: Truth, label_set: LabelSet, micro_share: float) -> float:
    """Return the weighted mean of micro-F1 and macro-F1 (of the labels that occur) of the whole rule.

    Scores are calibrated, [rows, labels]; `micro_share` is the weight of micro-F1.
    """
    assigned = label_set.assign(calibrated)
    return micro_share * micro_f1(truth, assigned) + (1 - micro_share) * macro_f1(truth, assigned)


def best_global(calibrated: Scores, truth: Truth, label_set: LabelSet, micro_share: float, steps: int = 50) -> float:
    """Return the threshold, out of `steps` - 1 evenly spaced ones and .5, that serves all labels best."""
    candidates = np.unique(np.append(np.arange(1, steps) / steps, 0.5)).tolist()

    def value(threshold: float) -> float:
        rule = label_set.with_decision(None, [threshold] * len(label_set.labels))
        return objective(calibrated, truth, rule, micro_share)

    return float(max(candidates, key=value))
