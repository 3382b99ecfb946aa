"""Precision, recall and F1 from counts, for any shape: per label, per row, per bootstrap sample."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from training.metrics.arrays import Assigned, Truth, Values, divide


@dataclass(frozen=True)
class Counts:
    """How many were right, were given and were there; three arrays of one shape."""

    hits: NDArray[Any]
    """True positives."""
    assigned: NDArray[Any]
    """True and false positives."""
    positives: NDArray[Any]
    """True positives and false negatives."""

    @classmethod
    def of(cls, truth: Truth, assigned: Assigned, axis: int | None) -> Self:
        """Count over rows (axis 0: one count for each label), over labels (axis 1), or over everything (None)."""
        return cls(
            np.asarray(np.count_nonzero(truth & assigned, axis=axis)),
            np.asarray(np.count_nonzero(assigned, axis=axis)),
            np.asarray(np.count_nonzero(truth, axis=axis)),
        )

    def pooled(self) -> Self:
        """Return the counts summed over the last axis."""
        return type(self)(self.hits.sum(-1), self.assigned.sum(-1), self.positives.sum(-1))

    @property
    def precision(self) -> Values:
        """Share of what was given that is right; 0 where nothing was given."""
        return divide(self.hits, self.assigned)

    @property
    def recall(self) -> Values:
        """Share of what is there that was given; 0 where nothing is there."""
        return divide(self.hits, self.positives)

    @property
    def f1(self) -> Values:
        """Harmonic mean of the two; 0 where nothing is there and nothing was given."""
        return divide(2 * self.hits, self.assigned + self.positives)
