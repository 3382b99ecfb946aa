"""What a window of load comes to: throughput, latency, shares. Pure arithmetic on records."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loadtests.plan import NS, Plan, Record

OK = 200
SLO_MS = 250.0
"""Goodput counts what was answered within this."""


@dataclass(frozen=True)
class Window:
    """One measured window, in numbers."""

    requests: int
    """Requests that were due in the window."""
    statuses: dict[int, int]
    """Answers by HTTP status; 0 counts lost connections."""
    texts_per_s: float
    """Texts answered with 200."""
    tokens_per_s: float
    """Tokens of those texts, without padding."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    lag_p99_ms: float
    """How late the load process itself sent; in an open loop it is part of the latencies."""
    share_in_slo: float
    """Share of the requests due in the window that were answered with 200 within `SLO_MS`."""
    client_cores: float
    quantiles_ms: list[float]
    """Latency at 0, 1, ... 100 percent, of answers with 200."""

    @property
    def failures(self) -> int:
        """Requests that were not answered with 200."""
        return self.requests - self.statuses.get(OK, 0)


def summarise(plan: Plan, record: Record) -> Window:
    """Reduce a record to numbers.

    Throughput counts the answers between two edges (see `edges_ns`). Latencies take everything that was due in the
    window, however late the answer came, so that the slowest are not left out.
    """
    begin, end = edges_ns(record)
    counted = (record.status == OK) & (record.done_ns > begin) & (record.done_ns <= end)  # [requests]
    seconds = max(end - begin, 1) / NS
    texts = np.array([request.texts for request in plan.requests])[record.request]  # [requests]
    tokens = np.array([request.tokens for request in plan.requests])[record.request]
    due = due_in_window(record)
    quantiles = percentiles(latencies_ms(record), range(101))
    codes, counts = np.unique(record.status[due], return_counts=True)
    return Window(
        requests=int(due.sum()),
        statuses={int(code): int(count) for code, count in zip(codes, counts, strict=True)},
        texts_per_s=float(texts[counted].sum() / seconds),
        tokens_per_s=float(tokens[counted].sum() / seconds),
        p50_ms=quantiles[50],
        p95_ms=quantiles[95],
        p99_ms=quantiles[99],
        lag_p99_ms=percentiles((record.sent_ns - record.due_ns)[due] / 1e6, [99])[0],
        share_in_slo=float((latencies_ms(record) <= SLO_MS).sum() / max(due.sum(), 1)),
        client_cores=record.client_cpu_s / record.window_s,
        quantiles_ms=quantiles,
    )


def edges_ns(record: Record) -> tuple[int, int]:
    """Return the span over which throughput is counted: from the last answer before the window to the last one in it.

    A server that answers sixty requests at once every second would otherwise gain or lose a whole batch at each edge.
    """
    stop = int(record.window_s * NS)
    before = record.done_ns[record.done_ns <= 0]
    inside = record.done_ns[(record.done_ns > 0) & (record.done_ns <= stop)]
    return (int(before.max()) if len(before) else 0), (int(inside.max()) if len(inside) else stop)


def due_in_window(record: Record) -> NDArray[np.bool_]:
    """Return which requests were due in the window, [requests]."""
    mask: NDArray[np.bool_] = (record.due_ns >= 0) & (record.due_ns < record.window_s * NS)
    return mask


def latencies_ms(record: Record) -> NDArray[np.float64]:
    """Return the latencies, from when they were due, of the window's requests answered with 200, [answers]."""
    good = (record.status == OK) & due_in_window(record)
    latencies: NDArray[np.float64] = (record.done_ns[good] - record.due_ns[good]) / 1e6
    return latencies


def percentiles(values: NDArray[np.float64], at: Sequence[float]) -> list[float]:
    """Return the percentiles of `values` as measured values (no interpolation); NaN when there are none."""
    if not len(values):
        return [float("nan")] * len(at)
    return [float(value) for value in np.percentile(values, list(at), method="inverted_cdf")]


@dataclass(frozen=True)
class Spread:
    """The same figure over several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return median, smallest and largest of at least one value."""
        return cls(float(median(values)), float(min(values)), float(max(values)))

    def show(self, digits: int = 2) -> str:
        """Return `median (low-high)`, the median alone when all values are the same, nothing when there is none."""
        if math.isnan(self.median):
            return ""
        if self.low == self.high:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"


def round_ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Return the spread of the ratios within each round.

    On a machine whose speed wanders, two figures of one round share its speed; their medians over all rounds do not.
    """
    return Spread.of([over / under for over, under in zip(numerators, denominators, strict=True)])
