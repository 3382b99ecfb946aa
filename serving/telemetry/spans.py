"""OpenTelemetry spans, in fronts and in runners, exported by BentoML's tracer.

Where no exporter is configured there is no tracer, and nothing is recorded. A request's span begins with the request,
so that a runner can continue its trace; those of its stages are made when it has ended, from times that were taken
anyway.
"""

from collections.abc import Iterable, Mapping
from time import perf_counter, time_ns
from typing import Any

from bentoml._internal.configuration.containers import BentoMLContainer
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from serving.settings import Observability
from serving.telemetry.request_context import Stage

Told = Mapping[str, str | int | tuple[str, ...]]
"""What a span tells, in OpenTelemetry's words."""

Carrier = dict[str, str]
"""What a trace is continued by: `traceparent` and its like."""


def tracing_options(settings: Observability) -> dict[str, Any]:
    """Return what `bentoml.service` is told, where its tracer sends spans.

    BentoML 1.4 reads the same from its configuration file, and forgets it when a service is served.
    """
    if settings.trace_endpoint is None:
        return {}
    otlp = {"protocol": "http", "endpoint": settings.trace_endpoint}
    return {"tracing": {"exporter_type": "otlp", "sample_rate": settings.trace_sample, "otlp": otlp}}


def configured_tracer() -> Tracer | None:
    """Return BentoML's tracer when an exporter is configured, else nothing."""
    if BentoMLContainer.tracing.exporter_type.get() is None:
        return None
    tracer: Tracer = BentoMLContainer.tracer_provider.get().get_tracer("jubako")
    return tracer


def begin_span(tracer: Tracer, name: str, carrier: Carrier, told: Told | None = None) -> Span:
    """Begin a server's span; what the carrier holds decides whether it is sampled."""
    return tracer.start_span(name, extract(carrier), SpanKind.SERVER, told)


def carrier_of(span: Span) -> Carrier:
    """Return what another process continues the trace of a span by."""
    carrier: Carrier = {}
    inject(carrier, set_span_in_context(span))
    return carrier


def end_span(tracer: Tracer, span: Span, stages: Iterable[Stage], *, failed: bool) -> None:
    """End a span, with a child for each of its stages."""
    if failed:
        span.set_status(Status(StatusCode.ERROR))
    if span.is_recording():
        parent = set_span_in_context(span)
        offset_ns = time_ns() - int(perf_counter() * 1e9)
        for stage in stages:
            begin_ns = offset_ns + int(stage.begin * 1e9)
            child = tracer.start_span(stage.name, parent, attributes=stage.told, start_time=begin_ns)
            child.end(begin_ns + int(stage.seconds * 1e9))
    span.end()
