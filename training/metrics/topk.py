"""How well ranked lists find what was held out of each user's history."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.metrics.arrays import Values, divide
from training.metrics.lists import NOTHING, Ranked, canonical

CUTOFFS = (5, 10, 20, 50, 100)
"""Lengths at which lists are cut."""

DEFINITIONS = {
    "recall": "hits among the first k / items held out",
    "precision": "hits among the first k / k",
    "ndcg": "sum of 1 / log2(rank + 1) over the hits / the same for hits at the first min(k, items held out) ranks",
    "map": "sum over the hits of the precision down to their rank / min(k, items held out)",
    "mrr": "1 / rank of the first hit; 0 where the first k have none",
    "hit": "1 where the first k have a hit",
}
"""What each figure of a user is at a cut-off k; figures of a model are means over the users that had items held out."""


def hits(top: Ranked, held_out: csr_matrix) -> NDArray[np.bool_]:
    """Tell which listed items were held out.

    Args:
        top: [users, k]
        held_out: [users, items], what is stored counts.

    Returns:
        [users, k]; an empty place is no hit.

    Raises:
        ValueError: the two have different numbers of users.
    """
    users, items = held_out.shape
    if len(top) != users:
        raise ValueError(f"lists of {len(top)} users, held-out items of {users}")
    wanted = canonical(held_out)
    rows = np.repeat(np.arange(users, dtype=np.int64), np.diff(wanted.indptr))
    keys = rows * items + wanted.indices  # [held out], rising
    asked = np.arange(users, dtype=np.int64)[:, None] * items + top  # [users, k]
    if not len(keys):
        return np.zeros(top.shape, dtype=np.bool_)
    places = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    found: NDArray[np.bool_] = (keys[places] == asked) & (top != NOTHING)
    return found


def per_user(top: Ranked, held_out: csr_matrix, cutoffs: Sequence[int] = CUTOFFS) -> dict[str, Values]:
    """Return every figure of DEFINITIONS at every cut-off, as `recall@20`: [users].

    Lists [users, k] that are shorter than a cut-off have nothing at the ranks that they lack. A user of whom nothing
    was held out has 0 everywhere: leave such users out before taking means.
    """
    right = hits(top, held_out)  # [users, k]
    count = np.diff(canonical(held_out).indptr)  # [users]
    discounts = 1 / np.log2(np.arange(2, max(*cutoffs, top.shape[1]) + 2))  # [longest]
    ranks = np.arange(1, top.shape[1] + 1)
    found = right.cumsum(axis=1)  # [users, k], hits down to each rank
    gains = (right * discounts[: top.shape[1]]).cumsum(axis=1)  # [users, k]
    precisions = (right * found / ranks).cumsum(axis=1)  # [users, k]
    ideal = np.append(0, discounts.cumsum())  # [longest + 1], by hits
    first = np.where(right.any(axis=1), right.argmax(axis=1) + 1, 0)  # [users], 0 for none
    figures: dict[str, Values] = {}
    for k in cutoffs:
        last, most = min(k, top.shape[1]) - 1, np.minimum(k, count)  # most: [users]
        figures[f"recall@{k}"] = divide(found[:, last], count)
        figures[f"precision@{k}"] = found[:, last] / k
        figures[f"ndcg@{k}"] = divide(gains[:, last], ideal[most])
        figures[f"map@{k}"] = divide(precisions[:, last], most)
        figures[f"mrr@{k}"] = divide(first <= k, first)
        figures[f"hit@{k}"] = (found[:, last] > 0).astype(np.float64)
    return figures
