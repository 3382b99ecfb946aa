"""OpenTelemetry spans for the routes that the front answers, exported as BentoML's tracing configuration says.

A span is made after the answer, from the times that were taken anyway, and only where an exporter is configured:
without one, tracing costs nothing.
"""

from collections.abc import Iterable, Mapping
from time import time_ns

from bentoml._internal.configuration.containers import BentoMLContainer
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from serving.api.asgi import Headers

Told = Mapping[str, str | int | tuple[str, ...]]
"""What a span tells, in OpenTelemetry's words."""


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

    def answered(
        self, method: str, route: str, headers: Headers, status: int, seconds: float, request_id: bytes
    ) -> None:
        """Record the span of a request that took `seconds` and ended now."""
        if self._tracer is None:
            return
        carrier = {key.decode("latin-1"): value.decode("latin-1") for key, value in headers}
        told: Told = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "http.request.header.x-request-id": (request_id.decode(),),
        }
        self._record(f"{method} {route}", carrier, told, seconds, failed=status >= 500)

    def called(
        self,
        path: str,
        metadata: Iterable[tuple[str, str | bytes]],
        status: str,
        number: int,
        seconds: float,
        request_id: str,
    ) -> None:
        """Record the span of a gRPC call of `/service/method` that took `seconds` and ended now."""
        if self._tracer is None:
            return
        carrier = {key: value for key, value in metadata if isinstance(value, str)}
        name = path.removeprefix("/")
        service, _, method = name.rpartition("/")
        told: Told = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
            "rpc.grpc.status_code": number,
            "rpc.grpc.request.metadata.x-request-id": (request_id,),
        }
        self._record(name, carrier, told, seconds, failed=status in SERVER_AT_FAULT)

    def _record(self, name: str, carrier: dict[str, str], told: Told, seconds: float, *, failed: bool) -> None:
        assert self._tracer is not None
        now = time_ns()
        begin = now - int(seconds * 1e9)
        span = self._tracer.start_span(name, extract(carrier), SpanKind.SERVER, told, start_time=begin)
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(now)


SERVER_AT_FAULT = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Statuses of gRPC that make a server's span an error, as OpenTelemetry's conventions have it."""
