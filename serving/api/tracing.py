"""What spans tell of requests, over HTTP and over gRPC."""

import re
from collections.abc import Iterable
from typing import Literal

from opentelemetry.trace import Span, Tracer, format_trace_id

from serving.api.asgi import Headers
from serving.telemetry.request_context import RequestContext
from serving.telemetry.spans import Carrier, Told, begin_span, configured_tracer, end_span

PARENT = "traceparent"
_PARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
SERVER_AT_FAULT = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Statuses of gRPC that make a server's span an error, as OpenTelemetry's conventions have it."""

Protocol = Literal["http", "grpc"]


class Tracing:
    """Records one server span for each request; the caller's `traceparent` decides whether it is sampled."""

    def __init__(self, tracer: Tracer | None) -> None:
        self._tracer = tracer

    @classmethod
    def from_bentoml(cls) -> "Tracing":
        """Trace where BentoML's configuration names an exporter; else do nothing but pass the caller's id on."""
        return cls(configured_tracer())

    def received(self, context: RequestContext, method: str, route: str, headers: Headers) -> None:
        """Begin the span of an HTTP request."""
        if self._tracer is None:
            for key, value in headers:
                if key == b"traceparent":
                    context.trace_id = _trace_id(value.decode("latin-1"))
            return
        carrier = {key.decode("latin-1"): value.decode("latin-1") for key, value in headers}
        told: Told = {
            "http.request.method": method,
            "http.route": route,
            "http.request.header.x-request-id": (context.request_id,),
        }
        self._begin(context, f"{method} {route}", carrier, told)

    def called(self, context: RequestContext, path: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Begin the span of a gRPC call of `/service/method`."""
        if self._tracer is None:
            for key, value in metadata:
                if key == PARENT and isinstance(value, str):
                    context.trace_id = _trace_id(value)
            return
        name = path.removeprefix("/")
        service, _, method = name.rpartition("/")
        told: Told = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
            "rpc.grpc.request.metadata.x-request-id": (context.request_id,),
        }
        carrier = {key: value for key, value in metadata if isinstance(value, str)}
        self._begin(context, name, carrier, told)

    def answered(self, context: RequestContext, status: int) -> None:
        """End the span of an HTTP request."""
        if context.span is not None:
            context.span.set_attribute("http.response.status_code", status)
            self._end(context, context.span, failed=status >= 500)

    def ended(self, context: RequestContext, status: str, number: int) -> None:
        """End the span of a gRPC call, by its status' name and number."""
        if context.span is not None:
            context.span.set_attribute("rpc.grpc.status_code", number)
            self._end(context, context.span, failed=status in SERVER_AT_FAULT)

    def _begin(self, context: RequestContext, name: str, carrier: Carrier, told: Told) -> None:
        assert self._tracer is not None
        span = begin_span(self._tracer, name, carrier, told)
        context.trace_id = format_trace_id(span.get_span_context().trace_id)
        context.span = span if span.is_recording() else None

    def _end(self, context: RequestContext, span: Span, *, failed: bool) -> None:
        assert self._tracer is not None
        if context.code is not None:
            span.set_attribute("error.type", context.code.value)
        if context.model is not None and context.version is not None:
            span.set_attributes({"jubako.model": context.model, "jubako.version": context.version})
            span.set_attributes({"jubako.inputs": context.inputs, "jubako.tokens": context.tokens})
        end_span(self._tracer, span, context.stages, failed=failed)


def _trace_id(parent: str) -> str | None:
    found = _PARENT.fullmatch(parent)
    return None if found is None else found[1]
