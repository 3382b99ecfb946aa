"""The bound with reading: records through reading, cleaning, hashing and the graph, with nothing around it.

Where the graph is a bag, it costs less than reading its input, and a bound that leaves reading out is one that no
server can come near. Here threads of one process take records, sorted by length, and carry them the whole way from
Python objects to scores; what is left out is HTTP, JSON, waiting and answering.
"""

import itertools
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from features.pipeline import Pipeline
from features.rows import FeatureRow, Feed
from loadtests.bound import Pass
from loadtests.native_service import open_session, run

SIZES = (1, 4, 16, 64)
"""Records of a batch that are tried."""
TRIED_RECORDS = 1024


@dataclass(frozen=True)
class ReadingSetting:
    """How the work is divided."""

    lanes: int
    """Threads that read and compute side by side, each with a single-threaded graph."""
    records: int
    """Of a batch."""


class ReadingBound:
    """One classifier and the records of the workload."""

    def __init__(self, graph: Path, pipeline: Pipeline, records: Sequence[object], rows: Sequence[FeatureRow]) -> None:
        self._graph = graph
        self._pipeline = pipeline
        order = sorted(range(len(records)), key=lambda at: -len(rows[at]))
        self._records = [records[at] for at in order]

    def tune(self) -> list[tuple[ReadingSetting, Pass]]:
        """Try every division of the work; best first."""
        cores = len(os.sched_getaffinity(0))
        settings = [ReadingSetting(*pair) for pair in itertools.product(sorted({1, cores}), SIZES)]
        step = max(1, len(self._records) // TRIED_RECORDS)
        tried = [(setting, self.measure(setting, self._records[::step])) for setting in settings]
        return sorted(tried, key=lambda pair: -pair[1].tokens_per_s)

    def measure(self, setting: ReadingSetting, records: Sequence[object] | None = None) -> Pass:
        """Carry all records through once."""
        records = self._records if records is None else records
        session = open_session(self._graph, 1, spinning=False)
        groups = [records[at : at + setting.records] for at in range(0, len(records), setting.records)]
        self._carry(session, groups[0])
        with ThreadPoolExecutor(setting.lanes) as lanes:
            begin = time.perf_counter()
            feeds = list(lanes.map(lambda group: self._carry(session, group), groups))
            seconds = time.perf_counter() - begin
        tokens, padded = sum(feed[0] for feed in feeds), sum(feed[1] for feed in feeds)
        return Pass(len(records) / seconds, tokens / seconds, padded / tokens, len(records) / len(groups))

    def _carry(self, session: ort.InferenceSession, records: Sequence[object]) -> tuple[int, int]:
        """Take records to scores; return their tokens, without and with padding."""
        rows = self._pipeline.features.encode([self._pipeline.text_of(record) for record in records])
        feed: Feed = self._pipeline.features.collate(rows)
        run(session, feed)
        return feed.tokens, feed.padded_tokens
