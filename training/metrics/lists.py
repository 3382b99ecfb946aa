"""Ranked lists: the best items of each row, int32 [rows, k], best first; -1 where nothing is left to list."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Ranked = NDArray[np.int32]
"""Positions of items [rows, k]; no item is twice in a row."""
NOTHING = -1
BLOCKS = 8
"""Blocks of scores for each place of a list: more leave fewer candidates to sort, and take longer to compare."""


def best(scores: NDArray[np.float32], k: int) -> Ranked:
    """Return the positions of the k highest scores of each row, highest first; equal scores stand by position.

    Args:
        scores: [rows, items]. An item that may not be listed has -inf.
        k: Wanted; a row that has fewer is filled up with -1.

    Raises:
        ValueError: k is below 1, or a score is NaN.
    """
    if k < 1:
        raise ValueError(f"k is 1 or more; got {k}")
    rows, items = scores.shape
    kept = min(k, items)
    found = np.full((rows, k), NOTHING, dtype=np.int32)
    if kept == 0 or rows == 0:
        return found
    if np.isnan(scores.max(axis=1)).any():
        raise ValueError("scores are NaN; the model or its vectors are broken")
    bound = _bound(scores, kept)  # [rows, 1]
    # All that tie with the last place are sorted: a partial sort would choose among them as it likes.
    row, item = np.nonzero((scores >= bound) & (scores > -np.inf))  # [candidates], by position within a row
    order = np.lexsort((-scores[row, item], row))
    row, item = row[order], item[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    listed = rank < kept
    found[row[listed], rank[listed]] = item[listed]
    return found


def checked(top: NDArray[Any], items: int) -> Ranked:
    """Return lists [rows, k] as they are; a ValueError tells what is wrong with them."""
    if top.ndim != 2 or top.dtype != np.int32:
        raise ValueError(f"ranked lists are int32 [rows, k], not {top.dtype} of shape {top.shape}")
    if top.size and not (top.min() >= NOTHING and top.max() < items):
        raise ValueError(f"ranked lists hold {top.min()} to {top.max()}; there are {items} items")
    ordered = np.sort(top, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NOTHING)).any():
        raise ValueError("a ranked list holds an item twice")
    return top


def as_matrix(top: Ranked, items: int) -> csr_matrix:
    """Return lists as ones in a float32 matrix [rows, items]."""
    rows, places = np.nonzero(top != NOTHING)
    values = np.ones(len(rows), dtype=np.float32)
    return csr_matrix((values, (rows, top[rows, places])), shape=(len(top), items))


def canonical(matrix: csr_matrix) -> csr_matrix:
    """Return a boolean copy [rows, columns] with sorted indices, nothing twice and no stored zeros."""
    copy = csr_matrix(matrix, dtype=np.bool_, copy=True)
    copy.sum_duplicates()
    copy.eliminate_zeros()
    return copy


def _bound(scores: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Return a score that at least k of each row's scores reach, and few more do, [rows, 1].

    The k-th highest of the maxima of blocks is one, and is found many times faster than the k-th highest score.
    """
    rows, items = scores.shape
    width = max(1, items // (BLOCKS * k))
    whole = items // width * width
    maxima = scores[:, :whole].reshape(rows, -1, width).max(axis=2)  # [rows, blocks]
    place = maxima.shape[1] - k
    return np.partition(maxima, place, axis=1)[:, place, None]
