"""The baseline that knows nobody: to all the same."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.baselines.ranker import top_k
from training.metrics.lists import Ranked


class Popularity:
    """Recommends what most users have."""

    name = "popularity"
    title = "popularity"
    notes: tuple[str, ...] = ()

    def fit(self, train: csr_matrix) -> None:
        """Count the users of each item in boolean interactions [users, items]."""
        self._train = train.astype(np.float32).tocsr()
        self._counts = np.asarray(self._train.sum(axis=0), dtype=np.float32).ravel()  # [items]

    def top(self, users: NDArray[np.int64], k: int) -> Ranked:
        """Return the k most frequent items that each user has not seen, [users, k]."""
        return top_k(lambda chunk: np.tile(self._counts, (len(chunk), 1)), users, self._train, k)
