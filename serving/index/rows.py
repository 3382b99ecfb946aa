"""What a search is as a row of the scheduler, and what comes back.

A row holds the arrays `query` float32 [dimensions], `depth` int64 [1], `excluded` int64 [any], and `allowed` int64
[any], sorted, only where a filter restricts the search. An output is float32 [2, depth of the micro-batch]: positions
and scores, best first, position -1 and score 0 where there are no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.rows import Array, FeatureRow

Positions = NDArray[np.int64]  # [items]
Scores = NDArray[np.float32]  # [items]

NOTHING: Positions = np.zeros(0, dtype=np.int64)

DEPTHS_PER_TOKEN = 128
"""Depths up to this cost the same. Deeper searches weigh more, so that no micro-batch of others is slow for them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One search."""

    query: NDArray[np.float32]  # [dimensions]
    depth: int
    excluded: Positions
    """Never to come back, in any order."""
    allowed: Positions | None
    """Sorted, each once; None: all."""

    def candidates(self) -> Positions:
        """Return what may come back of a search with `allowed`."""
        assert self.allowed is not None
        return self.allowed[~np.isin(self.allowed, self.excluded)] if len(self.excluded) else self.allowed

    def struck(self, items: int) -> Positions:
        """Return what may not come back, sorted, each once or, without `allowed`, as it was given."""
        if self.allowed is None:
            return self.excluded
        barred = np.ones(items, dtype=np.bool_)
        barred[self.allowed] = False
        barred[self.excluded] = True
        return np.flatnonzero(barred)


def make_row(
    query: NDArray[np.float32], depth: int, excluded: Positions = NOTHING, allowed: Positions | None = None
) -> FeatureRow:
    """Lay a search out as a row."""
    arrays: dict[str, Array] = {"query": query, "depth": np.array([depth], dtype=np.int64), "excluded": excluded}
    if allowed is not None:
        arrays["allowed"] = allowed
    return FeatureRow(arrays, 1 + (depth - 1) // DEPTHS_PER_TOKEN)


def read_row(row: FeatureRow) -> Wanted:
    """Return the search that a row stands for."""
    arrays = row.arrays
    return Wanted(arrays["query"], int(arrays["depth"][0]), arrays["excluded"], arrays.get("allowed"))


def weigh(rows: Sequence[FeatureRow]) -> int:
    """Return the padded tokens of a micro-batch."""
    return len(rows) * max(row.tokens for row in rows)


def blank(rows: int, depth: int) -> NDArray[np.float32]:
    """Return outputs [rows, 2, depth] with nothing found."""
    outputs = np.zeros((rows, 2, depth), dtype=np.float32)
    outputs[:, 0] = -1
    return outputs


def best(positions: Positions, scores: Scores, depth: int) -> tuple[Positions, Scores]:
    """Return the best `depth` of sorted positions and their scores; of equal scores the lower position comes first."""
    if 0 < depth < len(scores):
        bound = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        kept = np.flatnonzero(~(scores < bound))  # NaN stays, to be seen
        positions, scores = positions[kept], scores[kept]
    order = np.argsort(-scores, kind="stable")[:depth]
    return positions[order], scores[order]


def best_among(
    vectors: NDArray[np.float32], query: NDArray[np.float32], positions: Positions, depth: int
) -> tuple[Positions, Scores]:
    """Return the best `depth` of the items at sorted `positions` of vectors [items, dimensions], scored exactly."""
    blocks = [positions[at : at + BLOCK] for at in range(0, len(positions), BLOCK)]
    scores = np.concatenate([vectors[block] @ query for block in blocks]) if blocks else np.zeros(0, dtype=np.float32)
    return best(positions, scores, depth)


def best_of_all(
    vectors: NDArray[np.float32], query: NDArray[np.float32], excluded: Positions, depth: int
) -> tuple[Positions, Scores]:
    """Return the best `depth` of vectors [items, dimensions] besides the excluded ones, scored exactly."""
    scores = np.asarray(vectors @ query)  # [items]
    left = np.ones(len(vectors), dtype=np.bool_)
    left[excluded] = False
    positions = np.flatnonzero(left)
    return best(positions, scores[positions], depth)


BLOCK = 65_536
"""Vectors gathered at once: 32 MiB of 128 dimensions."""
