"""Spans continue the caller's trace (W3C Trace Context) and can be found by the request's id."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from serving.api.tracing import Tracing

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider.get_tracer("tests"))


def test_a_span_is_a_child_of_the_caller_s(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    headers = [(b"traceparent", f"00-{TRACE}-{PARENT}-01".encode()), (b"tracestate", b"vendor=1")]
    tracing.answered("POST", "/embed", headers, 200, 0.25, b"order-4711")
    [span] = exporter.get_finished_spans()
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.name == "POST /embed"
    assert span.attributes is not None
    assert span.attributes["http.request.header.x-request-id"] == ("order-4711",)
    assert span.end_time is not None
    assert span.start_time is not None
    assert (span.end_time - span.start_time) / 1e9 == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize("traceparent", [b"", b"nonsense", f"00-{'0' * 32}-{PARENT}-01".encode(), b"\xff" * 55])
def test_a_senseless_traceparent_begins_a_new_trace(
    tracing: Tracing, exporter: InMemorySpanExporter, traceparent: bytes
) -> None:
    tracing.answered("POST", "/embed", [(b"traceparent", traceparent)], 503, 0.25, b"order-4711")
    [span] = exporter.get_finished_spans()
    assert span.parent is None
    assert span.status.status_code is StatusCode.ERROR


def test_what_the_caller_does_not_sample_is_not_exported(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    tracing.answered("POST", "/embed", [(b"traceparent", f"00-{TRACE}-{PARENT}-00".encode())], 200, 0.25, b"x")
    assert exporter.get_finished_spans() == ()
