"""All metrics of the server as Prometheus reads them: those of its workers laid together, and what is read now."""

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from serving.telemetry.gpus import gpu_families
from serving.telemetry.metrics import START_TIME
from serving.telemetry.processes import SUPERVISOR, drop_dead, process_families

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()
FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def exposition(ready: bool) -> bytes:
    """Return the text of `/metrics`; reads files, so it is called in a thread."""
    folder = os.environ.get(FOLDER)
    observed = list(REGISTRY.collect()) if folder is None else _of_all_workers(Path(folder))
    readiness = GaugeMetricFamily("jubako_ready", "1 when the worker that was asked is ready", float(ready))
    registry = CollectorRegistry()
    registry.register(_Families([*observed, readiness, *process_families(_roles(observed)), *gpu_families()]))
    return generate_latest(registry)


class _Families(Collector):
    """Metrics that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _of_all_workers(folder: Path) -> list[Metric]:
    drop_dead(folder)
    families: list[Metric] = list(MultiProcessCollector(None, str(folder)).collect())  # type: ignore[no-untyped-call]
    for family in families:
        if family.type == "histogram":
            family.samples.sort(key=_place)
    return families


def _place(sample: Sample) -> tuple[tuple[tuple[str, str], ...], int, float]:
    """Return where a histogram's sample belongs: the buckets of a series in their order, then count and sum."""
    series = tuple(sorted(item for item in sample.labels.items() if item[0] != "le"))
    kind = ("_bucket", "_count", "_sum").index(sample.name[sample.name.rindex("_") :])
    return series, kind, float(sample.labels.get("le", 0))


def _roles(observed: Iterable[Metric]) -> dict[int, str]:
    """Return what each process does that serves, by its id, and their supervisor."""
    roles = {
        int(sample.labels["pid"]): sample.labels["role"]
        for family in observed
        if family.name == f"jubako_{START_TIME}"
        for sample in family.samples
        if "pid" in sample.labels
    }
    return {os.getppid(): SUPERVISOR, **roles} if roles else roles
