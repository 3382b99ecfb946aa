"""The baseline that reads nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from training.metrics.arrays import Scores, Truth


@dataclass(frozen=True)
class Prior:
    """Scores every text by how frequent each label was in training."""

    frequencies: NDArray[np.float32]
    """[labels]"""

    @classmethod
    def fit(cls, truth: Truth) -> Self:
        """Count the labels of training rows [rows, labels]."""
        return cls(truth.mean(axis=0).astype(np.float32))

    def predict(self, texts: Sequence[str]) -> Scores:
        """Return scores [texts, labels]."""
        return np.tile(self.frequencies, (len(texts), 1))
