"""Exact search: the bundle's top-k graph over all items, whose matrix is bound once."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from bundle.errors import BundleError
from bundle.index_files import DEPTH, EXCLUDED, FOUND, ITEMS, QUERIES
from bundle.manifest import Provider
from features.rows import FeatureRow
from serving.engine import open_session
from serving.index.rows import Wanted, best_among, blank, read_row, weigh
from serving.scheduler import Computed, Outputs
from serving.settings import Engine as EngineSettings

GATHER_SHARE = 16
"""A filter that leaves less than one item in so many is answered by gathering those, without a look at the others."""


SCORES_PER_BATCH = 1 << 24
"""Rows x items that a micro-batch scores: 64 MiB of scores."""
MAX_ROWS = 256


class ExactIndex:
    """A catalogue's vectors and the graph that searches them.

    One lane has all threads: a micro-batch of queries is one matrix product, which threads share better than lanes
    would, and a lone query has the whole device anyway.
    """

    lanes = 1

    def __init__(
        self, graph: Path, vectors: NDArray[np.float32], provider: Provider, threads: int, settings: EngineSettings
    ) -> None:
        self._vectors = vectors  # [items, dimensions]
        self._session = open_session(graph, provider, threads, settings)
        shapes = {value.name: value.shape for value in self._session.get_inputs()}
        if list(shapes) != [QUERIES, ITEMS, EXCLUDED, DEPTH] or shapes[QUERIES][1] != vectors.shape[1]:
            raise BundleError(f"{graph.name}: does not search vectors of this catalogue; export the bundle again")
        on_cuda = str(Provider.CUDA) in self._session.get_providers()  # which is not so wherever it was asked for
        device = "cuda" if on_cuda else "cpu"
        columns = np.ascontiguousarray(vectors.T)  # [dimensions, items]
        self._items = ort.OrtValue.ortvalue_from_numpy(columns, device, 0)
        self.max_rows = max(1, min(MAX_ROWS, SCORES_PER_BATCH // max(len(vectors), 1)))
        self.device = f"exact over {len(vectors):,} items, {device.upper()}, {threads} threads"

    def compute(self, rows: Sequence[FeatureRow], alone: bool) -> Computed:
        """Search for each row; outputs [rows, 2, depth] as `serving.index.rows` lays them out."""
        begin = time.perf_counter()
        wanted = [read_row(row) for row in rows]
        few = [search.allowed is not None and self._are_few(len(search.allowed)) for search in wanted]
        outputs = blank(len(rows), max(search.depth for search in wanted))
        if whole := [at for at, gathered in enumerate(few) if not gathered]:
            found = self._scan([wanted[at] for at in whole])
            outputs[whole, :, : found.shape[2]] = found
        for at, search in enumerate(wanted):
            if few[at]:
                positions, scores = best_among(self._vectors, search.query, search.candidates(), search.depth)
                outputs[at, :, : len(positions)] = positions, scores
        return Computed(outputs, weigh(rows), time.perf_counter() - begin)

    def _are_few(self, items: int) -> bool:
        return items * GATHER_SHARE < len(self._vectors)

    def _scan(self, wanted: Sequence[Wanted]) -> Outputs:
        """Run the graph; returns [rows, 2, min(depth, items)]."""
        struck = [search.struck(len(self._vectors)) for search in wanted]
        rows = np.repeat(np.arange(len(wanted)), [len(each) for each in struck])
        binding = self._session.io_binding()
        binding.bind_cpu_input(QUERIES, np.stack([search.query for search in wanted]))
        binding.bind_ortvalue_input(ITEMS, self._items)
        binding.bind_cpu_input(EXCLUDED, np.stack([rows, np.concatenate(struck)], axis=1))  # [pairs, 2]
        binding.bind_cpu_input(DEPTH, np.array([max(search.depth for search in wanted)]))
        binding.bind_output(FOUND)
        self._session.run_with_iobinding(binding)
        return np.asarray(binding.copy_outputs_to_cpu()[0], dtype=np.float32)
