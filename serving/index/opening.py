"""From a bundle's index to a search: the exact graph or the approximate one, behind a scheduler of its own."""

import os
from pathlib import Path
from typing import Literal, Protocol

from bundle.catalogue import Catalogue
from bundle.errors import BundleError
from bundle.manifest import IndexRecord, Provider
from serving.admission import Admission
from serving.batching import Budget
from serving.engine import offered_providers
from serving.index.exact import ExactIndex
from serving.index.search import Search
from serving.scheduler import Device, Scheduler
from serving.settings import Engine as EngineSettings
from serving.telemetry.metrics import QueueMetrics, SchedulerMetrics

Kind = Literal["auto", "exact", "approximate"]
"""Which index to search: `auto` takes the approximate one where the bundle brings it."""

SCORES_IN_QUEUE = 1 << 31
"""Rows x items that may wait: a few seconds of exact search on two cores."""
MAX_QUEUE = 16_384
PADDING_RATIO = 1.1


class Index(Device, Protocol):
    """A device that searches."""

    device: str
    """What it is and where it runs, for people."""
    max_rows: int
    """Rows of a micro-batch."""


def open_index(
    root: Path, record: IndexRecord, catalogue: Catalogue, settings: EngineSettings, kind: Kind = "auto"
) -> Index:
    """Open the index of the bundle in `root`.

    Raises:
        BundleError: it does not fit the catalogue, or the bundle brings none of this kind.
    """
    if record.items != len(catalogue):
        raise BundleError(
            f"the index is over {record.items} items, the catalogue has {len(catalogue)}; export it again"
        )
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if kind == "approximate" and record.approximate is None:
        raise BundleError("the bundle brings no approximate index; export it with one, or set the search to exact")
    if record.approximate is not None and kind != "exact":
        from serving.index.hnsw import HnswIndex  # only who serves such an index has to install its library

        return HnswIndex(root, record.approximate, catalogue.vectors, threads)
    provider = Provider.CUDA if Provider.CUDA in offered_providers(settings) else Provider.CPU
    return ExactIndex(root / record.exact, catalogue.vectors, provider, threads, settings)


def open_search(name: str, index: Index, catalogue: Catalogue, metrics: SchedulerMetrics | None = None) -> Search:
    """Put a scheduler in front of an index; `name` is what its metrics are called by."""
    queue = max(4 * index.max_rows, min(MAX_QUEUE, SCORES_IN_QUEUE // max(len(catalogue), 1)))
    budget = Budget(index.max_rows, index.max_rows, PADDING_RATIO)
    scheduler = Scheduler(index, budget, Admission(queue, QueueMetrics(name)), metrics or SchedulerMetrics(name))
    return Search(scheduler, catalogue)
