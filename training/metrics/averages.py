"""Precision, recall and F1 averaged over decisions, labels or rows."""

import numpy as np

from training.metrics.arrays import Assigned, Truth, Values, mean
from training.metrics.counts import Counts

KINDS = ("precision", "recall", "f1")


def averages(truth: Truth, assigned: Assigned) -> dict[str, float]:
    """Return precision, recall and F1 of decisions [rows, labels], each under five averages.

    `_micro` pools all decisions; `_macro` is the mean over the labels that occur in `truth`, `_macro_all` the mean over
    every label (what scikit-learn calls macro: a label without a positive counts 0); `_weighted` weighs labels by their
    positives; `_samples` is the mean over rows.
    """
    by_label, by_row = Counts.of(truth, assigned, axis=0), Counts.of(truth, assigned, axis=1)
    pooled, support = by_label.pooled(), by_label.positives  # support: [labels]
    found: dict[str, float] = {}
    for kind in KINDS:
        labels: Values = getattr(by_label, kind)  # [labels]
        found[f"{kind}_micro"] = float(getattr(pooled, kind))
        found[f"{kind}_macro"] = mean(labels[support > 0])
        found[f"{kind}_macro_all"] = mean(labels)
        found[f"{kind}_weighted"] = float(labels @ support / max(support.sum(), 1))
        found[f"{kind}_samples"] = mean(getattr(by_row, kind))
    return found


def micro_f1(truth: Truth, assigned: Assigned) -> float:
    """Return the F1 of all decisions together."""
    return float(Counts.of(truth, assigned, axis=None).f1)


def macro_f1(truth: Truth, assigned: Assigned) -> float:
    """Return the mean F1 of the labels that occur in `truth`."""
    counts = Counts.of(truth, assigned, axis=0)
    return mean(counts.f1[np.asarray(counts.positives) > 0])
