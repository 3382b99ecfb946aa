"""Which label is given where another would be right."""

from dataclasses import dataclass

import numpy as np

from training.metrics.arrays import Assigned, Truth


@dataclass(frozen=True)
class Confusion:
    """Rows that have `missed` and were not given it, and were given `given` and do not have it."""

    missed: int
    """Place of the label."""
    given: int
    rows: int
    share: float
    """Of the rows that have `missed`."""
    together: int
    """Rows that have both: how near the two labels are in truth."""


def confusions(truth: Truth, assigned: Assigned, most: int = 15) -> list[Confusion]:
    """Return the most frequent pairs of decisions [rows, labels], the most frequent first."""
    missed, extra = (truth & ~assigned).astype(np.float32), (assigned & ~truth).astype(np.float32)
    counts = (missed.T @ extra).astype(np.int64)  # [missed, given]
    both = truth.astype(np.float32).T @ truth.astype(np.float32)  # [labels, labels]
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    places = [(int(place) // counts.shape[1], int(place) % counts.shape[1]) for place in order]
    return [
        Confusion(a, b, int(counts[a, b]), float(counts[a, b] / both[a, a]), int(both[a, b]))
        for a, b in places
        if counts[a, b]
    ]
