"""What releases report. Series of versions that are gone stay until their worker ends, as files of counters do."""

from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from serving.errors import Code
from serving.telemetry.late import LateHistogram
from serving.telemetry.metrics import SECONDS, metric

SWAP_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
AGREEMENT = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999, 1.0)


class VersionMetrics:
    """What one version of a model answers."""

    def __init__(self, model: str, version: str) -> None:
        self._of = (model, version)
        seconds: Histogram = metric(
            Histogram,
            "model_seconds",
            "Time in which a version of a model answered a request",
            ("model", "version"),
            buckets=SECONDS,
        )
        self._seconds = LateHistogram(seconds.labels(*self._of))

    def answered(self, seconds: float) -> None:
        """Record a request that was answered."""
        self._seconds.observe(seconds)

    def failed(self, code: Code) -> None:
        """Record a request that met an error."""
        errors: Counter = metric(
            Counter,
            "model_errors_total",
            "Requests that a version of a model answered by an error",
            ("model", "version", "code"),
        )
        errors.labels(*self._of, code.value).inc()


class SwapMetrics:
    """How versions of one model come and go."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._versions: Gauge = metric(
            Gauge,
            "release_workers",
            "Workers that serve a version of a model, by its role",
            ("model", "version", "role"),
            multiprocess_mode="livesum",
        )
        self._swaps: Counter = metric(Counter, "swaps_total", "Versions that became active", ("model",)).labels(model)
        self._refused: Counter = metric(
            Counter, "releases_refused_total", "Versions that failed to load or to pass their tests", ("model",)
        ).labels(model)
        self._loading: Histogram = metric(
            Histogram,
            "release_load_seconds",
            "Time in which a version was loaded, tested and warmed",
            ("model",),
            buckets=SWAP_SECONDS,
        ).labels(model)
        self._told: set[tuple[str, str]] = set()

    def serves(self, roles: Sequence[tuple[str, str]]) -> None:
        """Record which versions are served, as pairs of version and role."""
        for version, role in self._told.difference(roles):
            self._versions.labels(self._model, version, role).set(0)
        for version, role in roles:
            self._versions.labels(self._model, version, role).set(1)
        self._told.update(roles)

    def swapped(self) -> None:
        """Record that another version is the active one."""
        self._swaps.inc()

    def loaded(self, seconds: float) -> None:
        """Record a version that may serve."""
        self._loading.observe(seconds)

    def refused(self) -> None:
        """Record a version that may not."""
        self._refused.inc()


class ShadowMetrics:
    """What copies of requests came to."""

    def __init__(self, model: str, version: str) -> None:
        self._of = (model, version)
        self._copies: Counter = metric(
            Counter,
            "shadow_requests_total",
            "Copies of requests for a shadow version, by what became of them",
            ("model", "version", "outcome"),
        )
        self._agreement: Histogram = metric(
            Histogram,
            "shadow_agreement",
            "How far a shadow version gives what was answered, 0 to 1",
            ("model", "version", "measure"),
            buckets=AGREEMENT,
        )

    def compared(self, measure: str, agreement: float) -> None:
        """Record a copy whose result was compared with the answer."""
        self._copies.labels(*self._of, "compared").inc()
        self._agreement.labels(*self._of, measure).observe(agreement)

    def other(self, outcome: str) -> None:
        """Record a copy that came to nothing: `dropped`, `failed` or `incomparable`."""
        self._copies.labels(*self._of, outcome).inc()
