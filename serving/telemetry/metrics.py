"""Prometheus metrics, each observed at the point of truth; docs/metrics.md tells what they mean.

`prometheus_client` decides at import whether it writes for one process or for several, from a variable that BentoML
sets for its workers; so metrics are created with the objects that observe them, never at import. Each worker writes
files of its own, and whichever is asked for `/metrics` lays them together: `serving/telemetry/exposition.py`.
"""

import threading
from collections.abc import Sequence
from functools import cache
from time import perf_counter, time
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from serving.errors import Code
from serving.telemetry.late import LateCounter, LateGauge, LateHistogram

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
TOKENS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 262_144)


_MAKING = threading.Lock()


def metric(kind: Any, name: str, text: str, labels: tuple[str, ...], **options: Any) -> Any:
    """Return the metric of that name, made by whoever asks for it first; models are loaded side by side."""
    with _MAKING:
        return _made(kind, name, text, labels, **options)


@cache
def _made(kind: type[Any], name: str, text: str, labels: tuple[str, ...], **options: Any) -> Any:
    return kind(f"jubako_{name}", text, labels, **options)


def _counter(name: str, text: str, **labels: str) -> LateCounter:
    return LateCounter(metric(Counter, name, text, tuple(labels)).labels(**labels))


def _histogram(name: str, text: str, buckets: Sequence[float], model: str) -> LateHistogram:
    return LateHistogram(metric(Histogram, name, text, ("model",), buckets=tuple(buckets)).labels(model))


class SchedulerMetrics:
    """What one model's scheduler reports. Padding ratio = padded tokens / tokens; mean batch = rows / batches.

    Work is told by version, too, times are not: two versions share the device, and histograms have many series.
    """

    def __init__(self, model: str, version: str = "") -> None:
        self._of = {"model": model, "version": version}
        self._info: Gauge | None = None
        self._rows = _counter("rows_total", "Rows computed", **self._of)
        self._tokens = _counter("tokens_total", "Tokens computed, without padding", **self._of)
        self._padded = _counter("padded_tokens_total", "Tokens computed, with padding", **self._of)
        self._isolated = _counter("batches_isolated_total", "Micro-batches that failed and were split", **self._of)
        self._batch_rows = _histogram("batch_rows", "Rows of a micro-batch", ROWS, model)
        self._batch_tokens = _histogram("batch_tokens", "Tokens of a micro-batch, with padding", TOKENS, model)
        self._queue = _histogram("queue_seconds", "Time a row waited for the device", SECONDS, model)
        self._compute = _histogram("compute_seconds", "Time a micro-batch was computed", SECONDS, model)

    def loaded(self, family: str, graph: str, device: str) -> None:
        """Record what computes the rows from now on."""
        info: Gauge = metric(
            Gauge,
            "model_info",
            "1 for what is loaded, 0 for what was freed",
            ("model", "version", "family", "graph", "device"),
            multiprocess_mode="livemax",
        )
        self._info = info.labels(**self._of, family=family, graph=graph, device=device)
        self._info.set(1)

    def freed(self) -> None:
        """Record that nothing does any more."""
        if self._info is not None:
            self._info.set(0)

    def waited(self, seconds: float) -> None:
        """Record how long a row waited before its micro-batch was cut."""
        self._queue.observe(seconds)

    def computed(self, rows: int, tokens: int, padded_tokens: int, seconds: float) -> None:
        """Record a micro-batch."""
        self._rows.inc(rows)
        self._tokens.inc(tokens)
        self._padded.inc(padded_tokens)
        self._batch_rows.observe(rows)
        self._batch_tokens.observe(padded_tokens)
        self._compute.observe(seconds)

    def isolated(self) -> None:
        """Record a micro-batch that failed as a whole."""
        self._isolated.inc()


class QueueMetrics:
    """What a model's admission reports."""

    def __init__(self, model: str) -> None:
        def gauge(name: str, text: str) -> Gauge:
            child: Gauge = metric(Gauge, name, text, ("model",), multiprocess_mode="livesum").labels(model)
            return child

        self._depth = LateGauge(gauge("queue_tokens", "Tokens that wait or are computed"))
        self._bound = gauge("queue_max_tokens", "Tokens at which requests are refused")
        self._rejected = _counter("rejected_total", "Requests refused by a full queue", model=model)

    def bounded(self, tokens: int) -> None:
        """Record the bound."""
        self._bound.set(tokens)

    def held(self, more: int) -> None:
        """Record that more tokens are held, or fewer; versions of a model that are served side by side add up."""
        self._depth.inc(more)

    def rejected(self) -> None:
        """Record a refused request."""
        self._rejected.inc()


class ModelMetrics:
    """What a model reports of the way before its queue and of requests that ended without an answer of its."""

    def __init__(self, model: str) -> None:
        self._tokenize = _histogram("tokenize_seconds", "Time a request's inputs were read and encoded", SECONDS, model)
        self._late = _counter("deadline_missed_total", "Requests whose deadline passed", model=model)
        self._cancelled = _counter("cancelled_total", "Requests whose caller left", model=model)

    def encoded(self, seconds: float) -> None:
        """Record how long the inputs of a request took from arrival to rows."""
        self._tokenize.observe(seconds)

    def failed(self, code: Code) -> None:
        """Record that a request was refused by its backend."""
        if code is Code.DEADLINE:
            self._late.inc()

    def cancelled(self) -> None:
        """Record that a request's caller has left."""
        self._cancelled.inc()


class LoadMetrics:
    """What loading a bundle takes, in the process that computes it."""

    def __init__(self) -> None:
        self._seconds: Gauge = metric(
            Gauge, "model_load_seconds", "Time from disk to ready", ("model", "version"), multiprocess_mode="livemax"
        )

    def took(self, model: str, version: str, seconds: float) -> None:
        """Record how long a bundle took from disk to ready, checks and self-test included."""
        self._seconds.labels(model, version).set(seconds)


class RequestMetrics:
    """What the front reports for each answered request."""

    def __init__(self) -> None:
        self._seconds: Histogram = metric(
            Histogram,
            "request_seconds",
            "Time from arrival to answer",
            ("endpoint", "status"),
            buckets=SECONDS,
        )
        self._errors: Counter = metric(
            Counter, "errors_total", "Requests answered by an error, by its code", ("endpoint", "status", "code")
        )
        self._children: dict[tuple[str, int | str], LateHistogram] = {}

    def answered(self, endpoint: str, status: int | str, begin: float, code: Code | None = None) -> float:
        """Record an answer to a request that came at `begin` of `time.perf_counter`; return the seconds it took.

        `endpoint` is a route of the contract, never a raw path, so that labels stay few.
        """
        seconds = perf_counter() - begin
        child = self._children.get((endpoint, status))
        if child is None:
            child = LateHistogram(self._seconds.labels(endpoint, str(status)))
            self._children[endpoint, status] = child
        child.observe(seconds)
        if code is not None:
            self._errors.labels(endpoint, str(status), code.value).inc()
        return seconds


class InFlightMetrics:
    """Requests that were accepted and not yet answered."""

    def __init__(self, protocol: str) -> None:
        gauge: Gauge = metric(
            Gauge, "requests_in_flight", "Requests not yet answered", ("protocol",), multiprocess_mode="livesum"
        )
        self._gauge = LateGauge(gauge.labels(protocol))

    def begun(self) -> None:
        """Count a request in."""
        self._gauge.inc(1)

    def ended(self) -> None:
        """Count it out."""
        self._gauge.inc(-1)


class WorkerMetrics:
    """What a worker reports of itself."""

    def __init__(self, role: str) -> None:
        self._starts: Counter = metric(Counter, "worker_starts_total", "Workers that have started", ("role",))
        self._started: Gauge = metric(
            Gauge, START_TIME, "Unix time at which a worker started", ("role",), multiprocess_mode="liveall"
        )
        self._role = role

    def started(self) -> None:
        """Record that this process serves from now on."""
        self._starts.labels(self._role).inc()
        self._started.labels(self._role).set(time())


START_TIME = "worker_start_time_seconds"


class LoopMetrics:
    """What a worker reports of its event loop."""

    def __init__(self) -> None:
        self._tasks: Gauge = metric(Gauge, "tasks", "Tasks of the event loop", (), multiprocess_mode="liveall")

    def tasks(self, count: int) -> None:
        """Record how many tasks there are; a number that grows from scrape to scrape is a leak."""
        self._tasks.set(count)
