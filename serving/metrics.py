"""Prometheus metrics, each observed at the point of truth. BentoML's `/metrics` exposes them with its own.

`prometheus_client` decides at import whether it writes for one process or for several, from a variable that BentoML
sets for its workers; so metrics are created with the objects that observe them, never at import.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@cache
def _metric(kind: type[Any], name: str, text: str, labels: tuple[str, ...], **options: Any) -> Any:
    return kind(f"jubako_{name}", text, labels, **options)


class SchedulerMetrics:
    """What one model's scheduler reports. Padding ratio = padded tokens / tokens; mean batch = rows / batches.

    Work is told by version, too, times are not: two versions share the device, and histograms have many series.
    """

    def __init__(self, model: str, version: str = "") -> None:
        def counter(name: str, text: str) -> Counter:
            child: Counter = _metric(Counter, name, text, ("model", "version")).labels(model, version)
            return child

        def histogram(name: str, text: str, buckets: Sequence[float]) -> Histogram:
            child: Histogram = _metric(Histogram, name, text, ("model",), buckets=tuple(buckets)).labels(model)
            return child

        self._rows = counter("rows_total", "Rows computed")
        self._tokens = counter("tokens_total", "Tokens computed, without padding")
        self._padded = counter("padded_tokens_total", "Tokens computed, with padding")
        self._isolated = counter("batches_isolated_total", "Micro-batches that failed and were split")
        self._batch_rows = histogram("batch_rows", "Rows of a micro-batch", ROWS)
        self._queue = histogram("queue_seconds", "Time a row waited for the device", SECONDS)
        self._compute = histogram("compute_seconds", "Time a micro-batch was computed", SECONDS)

    def waited(self, seconds: float) -> None:
        """Record how long a row waited before its micro-batch was cut."""
        self._queue.observe(seconds)

    def computed(self, rows: int, tokens: int, padded_tokens: int, seconds: float) -> None:
        """Record a micro-batch."""
        self._rows.inc(rows)
        self._tokens.inc(tokens)
        self._padded.inc(padded_tokens)
        self._batch_rows.observe(rows)
        self._compute.observe(seconds)

    def isolated(self) -> None:
        """Record a micro-batch that failed as a whole."""
        self._isolated.inc()


class QueueMetrics:
    """What a model's admission reports."""

    def __init__(self, model: str) -> None:
        depth: Gauge = _metric(
            Gauge, "queue_tokens", "Tokens that wait or are computed", ("model",), multiprocess_mode="livesum"
        )
        self._depth = depth.labels(model)
        self._rejected: Counter = _metric(
            Counter, "rejected_total", "Requests refused by a full queue", ("model",)
        ).labels(model)

    def held(self, more: int) -> None:
        """Record that more tokens are held, or fewer; versions of a model that are served side by side add up."""
        self._depth.inc(more)

    def rejected(self) -> None:
        """Record a refused request."""
        self._rejected.inc()


class RequestMetrics:
    """What the front reports for each answered request."""

    def __init__(self) -> None:
        self._seconds: Histogram = _metric(
            Histogram,
            "request_seconds",
            "Time from arrival to answer",
            ("endpoint", "status"),
            buckets=SECONDS,
        )
        self._children: dict[tuple[str, int | str], Histogram] = {}

    def answered(self, endpoint: str, status: int | str, seconds: float) -> None:
        """Record an answer; `endpoint` is a route of the contract, never a raw path, so that labels stay few."""
        child = self._children.get((endpoint, status))
        if child is None:
            child = self._children[endpoint, status] = self._seconds.labels(endpoint, str(status))
        child.observe(seconds)


class LoopMetrics:
    """What a worker reports of its event loop."""

    def __init__(self) -> None:
        self._tasks: Gauge = _metric(Gauge, "tasks", "Tasks of the event loop", (), multiprocess_mode="liveall")

    def tasks(self, count: int) -> None:
        """Record how many tasks there are; a number that grows from scrape to scrape is a leak."""
        self._tasks.set(count)
