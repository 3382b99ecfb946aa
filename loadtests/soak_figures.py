"""What a soak finds: samples of the server while it is under load, minutes of answers, and what they come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loadtests.plan import NS, Record
from loadtests.servers import Server
from loadtests.summary import OK, Spread, percentiles
from loadtests.targets import Verdict

MEMORY_LIMIT = 1.0
"""MiB a minute by which resident memory may grow after the warm-up."""
DESCRIPTOR_LIMIT = 0.5
"""Descriptors a minute: connections come and go, so that the count wanders by some."""


@dataclass(frozen=True)
class Sample:
    """The server's processes at one moment."""

    minute: float
    """Since the load began."""
    rss_mib: float
    descriptors: int
    threads: int
    tasks: float
    """Of the event loops."""

    @classmethod
    def take(cls, server: Server, minute: float) -> Self:
        """Look now."""
        processes = server.processes()
        return cls(
            minute=minute,
            rss_mib=server.rss_bytes() / 2**20,
            descriptors=sum(process.num_fds() for process in processes),
            threads=sum(process.num_threads() for process in processes),
            tasks=_tasks(server.get("/metrics")),
        )


@dataclass(frozen=True)
class Minute:
    """The requests that were due in one minute."""

    requests: int
    failures: int
    """Those that were not answered with 200."""
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Soak:
    """One soak."""

    facts: dict[str, str]
    capacity_per_s: float
    rate_per_s: float
    warmup_min: float
    """What is before this is left out of the trends: arenas and caches fill."""
    samples: list[Sample]
    minutes: list[Minute]

    def trend(self, name: str) -> float:
        """Return by how much a field of the samples grows a minute after the warm-up: the least squares' slope."""
        settled = [sample for sample in self.samples if sample.minute >= self.warmup_min]
        return slope([sample.minute for sample in settled], [float(getattr(sample, name)) for sample in settled])

    def judge(self) -> list[Verdict]:
        """Hold the soak against its limits."""
        failures = sum(minute.failures for minute in self.minutes)
        return [
            Verdict("requests that were not answered with 200", Spread.of([failures]), 0, False),
            Verdict("resident memory, MiB a minute", Spread.of([self.trend("rss_mib")]), MEMORY_LIMIT, False),
            Verdict("descriptors a minute", Spread.of([self.trend("descriptors")]), DESCRIPTOR_LIMIT, False),
        ]


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the slope of the line through points with the least squares; NaN for fewer than two."""
    return float(np.polyfit(x, y, 1)[0]) if len(x) > 1 else float("nan")


def minutes_of(record: Record) -> list[Minute]:
    """Return the minutes of a window, the last one shorter where it does not come out even."""
    whole = int(np.ceil(record.window_s / 60))
    minute: NDArray[np.int64] = record.due_ns // (60 * NS)  # [requests]; below 0: the warm-up
    return [_minute(record, minute == number) for number in range(whole)]


def _minute(record: Record, due: NDArray[np.bool_]) -> Minute:
    good = due & (record.status == OK)
    p50, p95, p99 = percentiles((record.done_ns[good] - record.due_ns[good]) / 1e6, [50, 95, 99])
    return Minute(int(due.sum()), int(due.sum() - good.sum()), p50, p95, p99)


def _tasks(metrics: str) -> float:
    lines = (line.rsplit(" ", 1) for line in metrics.splitlines() if line.startswith("jubako_tasks"))
    return sum(float(value) for _, value in lines)
