"""Which works are nearest to which, and what their neighbours are judged by."""

import numpy as np
from numpy.typing import NDArray

from training.metrics.lists import Ranked, best
from training.metrics.neighbours import CELLS

SETS = {"fandom": "fandom", "ship": "relationship"}
"""What neighbours may share: name of the figure, and the kind of tag."""
CUTOFF = 10
"""Neighbours that are looked at."""

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


def neighbours(queries: Vectors, own: Rows, catalogue: Vectors, n: int) -> Ranked:
    """Return the n works nearest to each query by dot product, [queries, n], nearest first; not the query itself.

    Args:
        queries: [queries, width]
        own: Each query's place in the catalogue, [queries].
        catalogue: [works, width]
        n: Wanted; lists are filled up with -1.
    """
    step = max(1, CELLS // max(1, len(catalogue)))
    parts = [np.zeros((0, n), np.int32)]
    for at in range(0, len(queries), step):
        scores = queries[at : at + step] @ catalogue.T  # [chunk, works]
        scores[np.arange(len(scores)), own[at : at + step]] = -np.inf
        parts.append(best(scores, n))
    return np.concatenate(parts)
