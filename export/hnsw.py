"""The approximate index of a large catalogue: a graph of neighbours (HNSW), searched as deep as its recall demands.

Neighbours are those with the largest products, also where vectors are of unlike lengths: graphs over products find more
than graphs over vectors that a further dimension brings to one length. (Morozov and Babenko, NeurIPS 2018.)
"""

import os
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from bundle.index_files import HNSW_CONFIG_FILE, HNSW_FILE, HnswConfig, fetched
from bundle.manifest import TaskMetric
from export.errors import ExportError

HNSW_FROM_ITEMS = 300_000
"""Smaller catalogues are searched exactly (`python -m loadtests.search_bench` tells where the two are level)."""

MIN_RECALL = 0.98
AIMED_RECALL = 0.985
"""What the expansion is chosen by: a little more than is asked for, since it is measured on a sample."""
DEPTH = 20
QUERIES = 500

CONNECTIVITY = 16
"""Neighbours of an item in the graph; the lowest layer has twice as many."""
EXPANSION_ADD = 100
"""Candidates that are kept while an item is added."""
EXPANSIONS = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


def write_hnsw(
    root: Path, vectors: NDArray[np.float32], queries: NDArray[np.float32] | None = None, threads: int | None = None
) -> TaskMetric:
    """Build the index, write it into the bundle's folder, and return its recall@20 against exact search.

    Args:
        root: folder of the bundle.
        vectors: [items, dimensions] of the catalogue.
        queries: [queries, dimensions] as they will be asked, users' vectors for example; means of two items
            otherwise, which are harder to find the neighbours of than items themselves.
        threads: that build it; all cores otherwise.

    Raises:
        ExportError: no depth of search reaches `MIN_RECALL`.
    """
    index = _build(np.ascontiguousarray(vectors, dtype=np.float32), threads or os.cpu_count() or 1)
    (root / HNSW_FILE).parent.mkdir(parents=True, exist_ok=True)
    faiss.write_index(index, str(root / HNSW_FILE))
    asked = _means_of_two(vectors) if queries is None else queries[:QUERIES]
    expansion, recall = _tune(index, asked, exact_top(vectors, asked, DEPTH))
    config = HnswConfig(items=len(vectors), dimensions=vectors.shape[1], expansion=expansion)
    (root / HNSW_CONFIG_FILE).write_text(config.model_dump_json(indent=2) + "\n")
    who = "means of two items" if queries is None else "queries"
    return TaskMetric(
        name=f"recall@{DEPTH}",
        value=recall,
        protocol=f"against exact search, {len(asked)} {who}, expansion {expansion}",
    )


def exact_top(vectors: NDArray[np.float32], queries: NDArray[np.float32], depth: int) -> NDArray[np.int64]:
    """Return the positions [queries, depth] of the largest products, in any order."""
    depth = min(depth, len(vectors))
    tops = []
    for query in queries:
        scores = vectors @ query  # [items]
        tops.append(np.argpartition(scores, len(scores) - depth)[len(scores) - depth :])
    return np.stack(tops)


def _build(vectors: NDArray[np.float32], threads: int) -> faiss.IndexHNSWSQ:
    """Build the graph over vectors [items, dimensions], kept in half precision."""
    faiss.omp_set_num_threads(threads)
    half = faiss.ScalarQuantizer.QT_fp16
    index = faiss.IndexHNSWSQ(vectors.shape[1], half, CONNECTIVITY, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = EXPANSION_ADD
    index.train(vectors[:1])  # half precision has nothing to learn, but has to be told so
    index.add(vectors)
    return index


def _tune(index: faiss.IndexHNSWSQ, queries: NDArray[np.float32], exact: NDArray[np.int64]) -> tuple[int, float]:
    """Return the smallest expansion whose recall is enough, and that recall."""
    recall = 0.0
    for expansion in EXPANSIONS:
        _, found = index.search(queries, fetched(DEPTH), params=faiss.SearchParametersHNSW(efSearch=expansion))
        hits = [np.isin(top, positions).mean() for top, positions in zip(exact, found, strict=True)]
        recall = float(np.mean(hits))
        if recall >= AIMED_RECALL:
            return expansion, recall
    if recall < MIN_RECALL:
        raise ExportError(f"the approximate index finds {recall:.3f} of the best {DEPTH}; export with exact search")
    return EXPANSIONS[-1], recall


def _means_of_two(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    pairs = np.random.default_rng(0).integers(0, len(vectors), (QUERIES, 2))
    means: NDArray[np.float32] = vectors[pairs].mean(axis=1, dtype=np.float32)
    return means
