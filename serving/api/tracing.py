"""OpenTelemetry spans for the routes that the front answers, exported as BentoML's tracing configuration says.

A span is made after the answer, from the times that were taken anyway, and only where an exporter is configured:
without one, tracing costs nothing.
"""

from time import time_ns

from bentoml._internal.configuration.containers import BentoMLContainer
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from serving.api.asgi import Headers


class Tracing:
    """Records one server span for each answered request; the caller's `traceparent` decides whether it is sampled."""

    def __init__(self, tracer: Tracer | None) -> None:
        self._tracer = tracer

    @classmethod
    def from_bentoml(cls) -> "Tracing":
        """Use BentoML's tracer provider when an exporter is configured (`tracing.exporter_type`), else nothing."""
        if BentoMLContainer.tracing.exporter_type.get() is None:
            return cls(None)
        return cls(BentoMLContainer.tracer_provider.get().get_tracer("jubako"))

    def answered(self, method: str, route: str, headers: Headers, status: int, seconds: float) -> None:
        """Record the span of a request that took `seconds` and ended now."""
        if self._tracer is None:
            return
        now = time_ns()
        carrier = {key.decode("latin-1"): value.decode("latin-1") for key, value in headers}
        span = self._tracer.start_span(
            f"{method} {route}",
            extract(carrier),
            SpanKind.SERVER,
            {"http.request.method": method, "http.route": route, "http.response.status_code": status},
            start_time=now - int(seconds * 1e9),
        )
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(now)
