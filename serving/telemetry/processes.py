"""Memory, CPU time and descriptors of the server's processes, read when `/metrics` is asked for.

With several processes `prometheus_client` has no process metrics of its own: they would be those of whichever worker
is asked.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from glob import glob
from pathlib import Path

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import mark_process_dead

_Family = GaugeMetricFamily | CounterMetricFamily
SUPERVISOR = "supervisor"
SLACK_S = 2.0
"""How much older than its process a file may seem: clocks of files and of processes are not the same."""


def process_families(roles: Mapping[int, str]) -> Iterator[Metric]:
    """Yield the metrics of processes, given by their ids and what each of them does."""
    labels = ("role", "pid")
    families: list[tuple[_Family, Callable[[psutil.Process], float]]] = [
        (GaugeMetricFamily("jubako_process_resident_memory_bytes", "Resident memory", labels=labels), _memory),
        (CounterMetricFamily("jubako_process_cpu_seconds", "CPU time, user and system", labels=labels), _cpu),
        (GaugeMetricFamily("jubako_process_threads", "Threads", labels=labels), psutil.Process.num_threads),
        (GaugeMetricFamily("jubako_process_start_time_seconds", "Unix time of its start", labels=labels), _start),
        *_descriptors(labels),
    ]
    for pid, role in roles.items():
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            with process.oneshot():
                values = [read(process) for _, read in families]
            for (family, _), value in zip(families, values, strict=True):
                family.add_metric((role, str(pid)), value)
    return (family for family, _ in families)


def drop_dead(folder: Path) -> None:
    """Remove the gauges of workers that are no more, which would be told as if they lived.

    A process that has the id of a dead one is known by its start, which is after the file was last written.
    """
    for name in glob(str(folder / "gauge_live*_*.db")):  # noqa: PTH207  # as prometheus_client lists them
        file = Path(name)
        pid = int(file.stem.rpartition("_")[2])
        if not _lived(pid, file):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def _lived(pid: int, file: Path) -> bool:
    if pid == os.getpid():
        return True
    try:
        return psutil.Process(pid).create_time() <= file.stat().st_mtime + SLACK_S
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False


def _memory(process: psutil.Process) -> float:
    return process.memory_info().rss


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _start(process: psutil.Process) -> float:
    return process.create_time()


def _descriptors(labels: Sequence[str]) -> list[tuple[_Family, Callable[[psutil.Process], float]]]:
    if psutil.WINDOWS:
        return []
    return [(GaugeMetricFamily("jubako_process_open_fds", "Open descriptors", labels=labels), psutil.Process.num_fds)]
