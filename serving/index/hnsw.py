"""Approximate search for large catalogues: candidates from a graph of neighbours, scored again in full precision.

What is excluded or filtered away is taken out of the candidates. A search that is left with too few fetches more, and
where even many are too few the items that may come back are searched exactly: there are always as many as exist.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from bundle.bundle import telling_the_file
from bundle.errors import BundleError
from bundle.index_files import HNSW_CONFIG_FILE, HnswConfig, fetched
from features.rows import FeatureRow
from serving.index.rows import Positions, Scores, Wanted, best_among, best_of_all, blank, read_row, weigh
from serving.scheduler import Computed

FEW = 16_384
"""Items that a filter may leave for them to be searched exactly at once: some milliseconds."""
MOST_FETCHED = 2048
"""Candidates beyond which exact search is no slower."""
GROWTH = 4
"""How many times more candidates the next attempt fetches."""


class HnswIndex:
    """A catalogue's graph of neighbours, memory-mapped, and the vectors that candidates are scored with.

    A walk through the graph is one thread's work, so each lane has one thread and takes few rows at once: more would
    gain nothing and only wait for each other.
    """

    max_rows = 4

    def __init__(self, root: Path, file: str, vectors: NDArray[np.float32], lanes: int) -> None:
        with telling_the_file(HNSW_CONFIG_FILE, root):
            config = HnswConfig.model_validate_json((root / HNSW_CONFIG_FILE).read_bytes())
        self._vectors = vectors  # [items, dimensions]
        self._index = _open(root, file)
        self._search = faiss.SearchParametersHNSW(efSearch=config.expansion)
        if not (self._index.ntotal, self._index.d) == (config.items, config.dimensions) == vectors.shape:
            raise BundleError(f"{file}: is not over the vectors of this catalogue; export the bundle again")
        self.lanes = lanes
        self.device = f"HNSW over {len(vectors):,} items, CPU, {lanes} lanes, expansion {config.expansion}"

    def compute(self, rows: Sequence[FeatureRow], alone: bool) -> Computed:
        """Search for each row; outputs [rows, 2, depth] as `serving.index.rows` lays them out."""
        begin = time.perf_counter()
        wanted = [read_row(row) for row in rows]
        outputs = blank(len(rows), max(search.depth for search in wanted))
        faiss.omp_set_num_threads(1)  # counts for the thread that says it, which is a lane's
        for output, search in zip(outputs, wanted, strict=True):
            positions, scores = self._find(search)
            output[:, : len(positions)] = positions, scores
        return Computed(outputs, weigh(rows), time.perf_counter() - begin)

    def _find(self, search: Wanted) -> tuple[Positions, Scores]:
        count = self._first_fetch(search)
        while count <= MOST_FETCHED:
            left = _permitted(self._candidates(search.query, count), search)
            if len(left) >= search.depth:
                return best_among(self._vectors, search.query, left, search.depth)
            count *= GROWTH
        if search.allowed is None:
            return best_of_all(self._vectors, search.query, search.excluded, search.depth)
        return best_among(self._vectors, search.query, search.candidates(), search.depth)

    def _candidates(self, query: NDArray[np.float32], count: int) -> Positions:
        """Return the sorted positions of the items that the graph finds, `count` at most."""
        _, found = self._index.search(query[None], min(count, len(self._vectors)), params=self._search)
        positions: Positions = np.sort(found[0][found[0] >= 0])
        return positions

    def _first_fetch(self, search: Wanted) -> int:
        """Return how many candidates leave enough if exclusions and filter meet them as they meet all items.

        More than `MOST_FETCHED` where candidates are not worth fetching.
        """
        share = 1.0
        if search.allowed is not None:
            if len(search.allowed) <= FEW:
                return MOST_FETCHED + 1
            share = len(search.allowed) / len(self._vectors)
        return int(fetched(search.depth) / share) + min(len(search.excluded), search.depth + SEEN)


SEEN = 64
"""Excluded items that are expected among the candidates: what somebody has read is near what he asks for."""


def _permitted(candidates: Positions, search: Wanted) -> Positions:
    """Return which sorted candidates may come back."""
    kept = ~np.isin(candidates, search.excluded)
    if search.allowed is not None:
        at = np.minimum(np.searchsorted(search.allowed, candidates), len(search.allowed) - 1)
        kept &= search.allowed[at] == candidates
    return candidates[kept]


def _open(root: Path, file: str) -> faiss.IndexHNSWSQ:
    try:
        index = faiss.read_index(str(root / file), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise BundleError(f"{file}: cannot be read; export the bundle again ({error})") from error
    if not isinstance(index, faiss.IndexHNSWSQ) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise BundleError(f"{file}: is an index of another kind; export the bundle again")
    return index
