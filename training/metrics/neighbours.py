"""Whether items that lie near each other have something in common, and whether scores order lists of candidates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags, issparse

from training.metrics.arrays import Values, divide
from training.metrics.lists import NOTHING, Ranked, best, canonical

CELLS = 8_000_000
"""Similarities, or pairs of sets, held in memory at a time."""
Vectors = Any
"""Rows [rows, dimensions]: an array, or a sparse matrix, which has no types."""


def unit(vectors: Vectors) -> Vectors:
    """Return the rows at length 1 as float32, dense or sparse as they come; rows of zeros stay."""
    floats = vectors.astype(np.float32)
    if issparse(floats):
        lengths = np.sqrt(np.asarray(floats.multiply(floats).sum(axis=1), dtype=np.float64)).ravel()
        return (diags(divide(np.ones(1), lengths).astype(np.float32)) @ floats).tocsr()
    lengths = np.linalg.norm(floats.astype(np.float64), axis=1, keepdims=True)
    return divide(floats, lengths).astype(np.float32)


def nearest(vectors: Vectors, queries: NDArray[np.int64], n: int) -> Ranked:
    """Return each query's n nearest other rows by cosine, exactly, nearest first.

    Args:
        vectors: [rows, dimensions]; of sparse ones only rows that share a dimension with the query are near it.
        queries: Rows, [queries].
        n: Wanted; the lists [queries, n] are filled up with -1.
    """
    units = unit(vectors)
    step = max(1, CELLS // max(1, units.shape[0]))
    parts = [_nearest(units, queries[at : at + step], n) for at in range(0, len(queries), step)]
    return np.concatenate(parts) if parts else np.zeros((0, n), dtype=np.int32)


def agreement(top: Ranked, query_sets: csr_matrix, item_sets: csr_matrix) -> Values:
    """Return the share of each list's places whose item has one of the query's values, [queries].

    Args:
        top: [queries, n]; an empty place agrees with nothing.
        query_sets: What each query has, boolean [queries, values].
        item_sets: What each item has, boolean [items, values].
    """
    queries, n = top.shape
    if not item_sets.shape[0] or not n:
        return np.zeros(queries)
    asked, offered = query_sets.astype(np.float32).tocsr(), item_sets.astype(np.float32).tocsr()
    shared: Values = np.zeros(queries)
    for at in range(n):
        common = asked.multiply(offered[np.maximum(top[:, at], 0)]).sum(axis=1)
        shared += (np.asarray(common).ravel() > 0) & (top[:, at] != NOTHING)
    return divide(shared, np.array(n))


def sharing(query_sets: csr_matrix, item_sets: csr_matrix) -> NDArray[np.int64]:
    """Return how many of all items have one of each query's values, [queries]; sets as in `agreement`."""
    asked, offered = query_sets.astype(np.float32).tocsr(), item_sets.astype(np.float32).T.tocsr()
    step = max(1, CELLS // max(1, offered.shape[1]))
    parts = [np.diff((asked[at : at + step] @ offered).tocsr().indptr) for at in range(0, asked.shape[0], step)]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)


def chance_agreement(sets: csr_matrix, queries: NDArray[np.int64]) -> Values:
    """Return the share of all other items that have one of the query's values, [queries]: what a random list reaches.

    Args:
        sets: What each item has, boolean [items, values].
        queries: Items, [queries].
    """
    asked = canonical(sets)[queries]
    itself = np.diff(asked.indptr) > 0
    return divide(sharing(asked, sets) - itself, np.array(sets.shape[0] - 1))


def sets_of(lists: Sequence[Sequence[str]]) -> csr_matrix:
    """Return lists of strings as sets, boolean [rows, values]; upper and lower case are one, empty strings none."""
    columns: dict[str, int] = {}
    cells = [
        (row, columns.setdefault(value.casefold(), len(columns)))
        for row, values in enumerate(lists)
        for value in values
        if value
    ]
    rows, places = zip(*cells, strict=True) if cells else ((), ())
    shape = (len(lists), len(columns))
    return canonical(csr_matrix((np.ones(len(cells), dtype=np.bool_), (rows, places)), shape=shape))


def list_ndcg(scores: NDArray[Any], gains: NDArray[Any], there: NDArray[np.bool_]) -> Values:
    """Return the NDCG of each list of candidates in the order of its scores, [lists]; 1 where nothing has a gain.

    Candidates of equal score share the discounts of their ranks (McSherry and Najork, 2008): a model that scores all
    alike gets what random order gets, not the order in which the candidates happen to stand.

    Args:
        scores: [lists, candidates]
        gains: How much it is worth to find each, at least 0, taken linearly; [lists, candidates].
        there: False where a list is shorter than the longest, [lists, candidates].
    """
    worth = np.where(there, gains, 0.0)  # [lists, candidates]
    if (worth < 0).any():
        raise ValueError("gains are 0 or more; map graded relevance, such as ranks below zero, before")
    discounts = 1 / np.log2(np.arange(2, gains.shape[1] + 2))  # [candidates]
    order = np.argsort(np.where(there, -scores, np.inf), axis=1, kind="stable")
    ranked, sorted_worth = (np.take_along_axis(part, order, axis=1) for part in (scores, worth))
    real = np.take_along_axis(there, order, axis=1)
    fresh = (ranked[:, 1:] != ranked[:, :-1]) | (real[:, 1:] != real[:, :-1])
    ties = np.concatenate([np.ones((len(order), 1), dtype=np.bool_), fresh], axis=1).ravel().cumsum() - 1
    weights = np.tile(discounts, len(order))
    tied = [np.bincount(ties, values) for values in (sorted_worth.ravel(), weights, np.ones(len(ties)))]
    per_tie = divide(tied[0] * tied[1], tied[2])  # [ties]
    firsts = ties.reshape(order.shape)[:, 0]
    found = np.add.reduceat(per_tie, firsts) if len(firsts) else np.zeros(0)
    return _normalised(found, worth)


def random_list_ndcg(gains: NDArray[Any], there: NDArray[np.bool_]) -> Values:
    """Return the NDCG that random order is expected to reach on each list, exactly; [lists]."""
    return list_ndcg(np.zeros(gains.shape), gains, there)


def _normalised(found: Values, worth: Values) -> Values:
    discounts = 1 / np.log2(np.arange(2, worth.shape[1] + 2))
    ideal = -np.sort(-worth, axis=1) @ discounts  # [lists]
    return np.where(ideal > 0, divide(found, ideal), 1.0)


def _nearest(units: Vectors, queries: NDArray[np.int64], n: int) -> Ranked:
    similarity = units[queries] @ units.T  # [queries, rows]
    if issparse(similarity):
        similarity = similarity.toarray()
        similarity[similarity == 0] = -np.inf
    similarity[np.arange(len(queries)), queries] = -np.inf
    return best(similarity, n)
