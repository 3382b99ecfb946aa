"""What lists are like besides right: how much of the catalogue they show, how obscure, how varied each list is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from training.metrics.arrays import Values, divide
from training.metrics.lists import Ranked, as_matrix
from training.metrics.neighbours import Vectors, unit

DEFINITIONS = {
    "coverage": "share of the catalogue that is among some user's first k",
    "gini": "how unevenly the places of all lists fall on the catalogue: 0 on all items alike, 1 on one item",
    "novelty": "mean of -log2((interactions + 1) / (users + 1)) over the first k, in training; bits",
    "diversity": "1 - mean cosine of the model's item vectors over the pairs among the first k",
    "category_diversity": "1 - mean cosine of the items' sets of categories over the pairs among the first k",
}
"""What each figure is at a cut-off k."""


def coverage(top: Ranked, items: int) -> float:
    """Return the share of all items that are in some list [users, k]."""
    return float((_shown(top, items) > 0).mean()) if items else 0.0


def gini(top: Ranked, items: int) -> float:
    """Return the Gini index of how often each item is in a list [users, k]; 0 where no list has an item."""
    counts = np.sort(_shown(top, items))  # [items], rising
    ranks = 2 * np.arange(1, items + 1) - items - 1
    spread = max(items - 1, 1)  # all places on one item are an index of 1, however few items there are
    return float(divide(ranks @ counts, spread * counts.sum()))


def novelty(top: Ranked, popularity: NDArray[Any], users: int) -> Values:
    """Return the mean self-information of each list's items in bits, [users]; 0 of an empty list.

    Args:
        top: [users, k]
        popularity: Interactions in training, [items].
        users: Those of training.
    """
    information = -np.log2((popularity + 1) / (users + 1))  # [items]
    lists = as_matrix(top, len(popularity))
    return divide(lists @ information, np.diff(lists.indptr))


def intra_list_diversity(top: Ranked, vectors: Vectors) -> Values:
    """Return 1 - the mean cosine over the pairs of each list's items, [users]; 0 of a list without a pair.

    Args:
        top: [users, k]
        vectors: [items, dimensions] of any length, or sets as a boolean matrix [items, values]. A row of zeros is
            unlike everything.
    """
    units = unit(vectors)
    lists = as_matrix(top, units.shape[0])
    # The cosines of all pairs of a list sum to (|sum of its unit vectors|^2 - their number) / 2.
    sums = lists @ units  # [users, dimensions]
    squares = sums.multiply(sums).sum(axis=1) if issparse(sums) else np.square(sums, dtype=np.float64).sum(axis=1)
    own = units.multiply(units).sum(axis=1) if issparse(units) else np.square(units, dtype=np.float64).sum(axis=1)
    cosines = np.asarray(squares).ravel() - lists @ np.asarray(own).ravel()  # [users], each pair twice
    count = np.diff(lists.indptr)
    pairs = count * (count - 1)
    return np.where(pairs > 0, 1 - divide(cosines, pairs), 0.0)


def _shown(top: Ranked, items: int) -> Values:
    return np.asarray(as_matrix(top, items).sum(axis=0, dtype=np.float64)).ravel()
