"""The last resort: what most people met, for whom nothing is known of."""

import numpy as np
from numpy.typing import NDArray

from bundle.catalogue import Catalogue
from serving.index.rows import Positions
from serving.index.search import Found


class Popularity:
    """A catalogue's items by their interactions in training, ties in the catalogue's order."""

    def __init__(self, catalogue: Catalogue) -> None:
        total = max(float(catalogue.popularity.sum(dtype=np.float64)), 1.0)
        self.shares: NDArray[np.float32] = (catalogue.popularity / total).astype(np.float32)  # [items]
        """Of all interactions."""
        self._order = np.argsort(-catalogue.popularity, kind="stable")  # [items], positions
        self._ranks = np.empty(len(catalogue), dtype=np.int64)  # [items]
        self._ranks[self._order] = np.arange(len(catalogue))

    def top(self, depth: int, excluded: Positions, allowed: Positions | None = None) -> Found:
        """Return the best `depth` items by their shares; the arguments are those of `Search.top`."""
        positions = self._order[self._first_ranks(depth + len(excluded), allowed)]
        if len(excluded):
            positions = positions[~np.isin(positions, excluded)]
        positions = positions[:depth]
        return Found(positions, self.shares[positions])

    def _first_ranks(self, count: int, allowed: Positions | None) -> Positions:
        if allowed is None:
            return np.arange(min(count, len(self._order)))
        ranks = self._ranks[allowed]
        return np.sort(np.partition(ranks, count)[:count] if count < len(ranks) else ranks)
