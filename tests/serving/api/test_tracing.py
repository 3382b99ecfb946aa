"""Spans continue the caller's trace (W3C Trace Context), and those of a request's stages are its children."""

from time import perf_counter

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from serving.api.asgi import Headers
from serving.api.tracing import Tracing
from serving.errors import Code
from serving.telemetry.request_context import MOST_STAGES, RequestContext, Stage, computed_stages

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider.get_tracer("tests"))


def traceparent(flags: str = "01") -> Headers:
    return [(b"traceparent", f"00-{TRACE}-{PARENT}-{flags}".encode()), (b"tracestate", b"vendor=1")]


def received(tracing: Tracing, headers: Headers) -> RequestContext:
    context = RequestContext("order-4711")
    tracing.received(context, "POST", "/embed", headers)
    return context


def seconds_of(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def test_a_span_is_a_child_of_the_caller_s(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    context = received(tracing, traceparent())
    assert context.trace_id == TRACE
    context.model, context.version, context.inputs, context.tokens = "tiny", "3", 2, 9
    tracing.answered(context, 200)
    [span] = exporter.get_finished_spans()
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.name == "POST /embed"
    assert span.attributes == {
        "http.request.method": "POST", "http.route": "/embed", "http.response.status_code": 200,
        "http.request.header.x-request-id": ("order-4711",),
        "jubako.model": "tiny", "jubako.version": "3", "jubako.inputs": 2, "jubako.tokens": 9,
    }  # fmt: skip


def test_stages_are_children_that_lie_within_their_request(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    context = received(tracing, traceparent())
    begin = perf_counter()
    context.note(Stage("tokenize", begin, 0.25, {"jubako.rows": 2}))
    context.note(*computed_stages(begin + 0.25, 0.5, 0.125, 8))
    tracing.answered(context, 200)
    *stages, request = exporter.get_finished_spans()
    assert [stage.name for stage in stages] == ["tokenize", "queue", "compute"]
    assert {stage.parent and stage.parent.span_id for stage in stages} == {request.context.span_id}
    assert [seconds_of(stage) for stage in stages] == pytest.approx([0.25, 0.5, 0.125], abs=1e-6)
    assert stages[2].start_time == pytest.approx(stages[1].end_time, abs=1000)
    assert request.start_time is not None
    assert stages[0].start_time is not None
    assert 0 <= stages[0].start_time - request.start_time < 1e8
    assert (stages[2].attributes or {})["jubako.batch_rows"] == 8


def test_a_stream_of_many_requests_has_a_bounded_number_of_stages(tracing: Tracing) -> None:
    context = received(tracing, traceparent())
    for _ in range(10 * MOST_STAGES):
        context.note(Stage("tokenize", 0.0, 0.1, {}))
    assert len(context.stages) == MOST_STAGES


@pytest.mark.parametrize("given", [b"", b"nonsense", f"00-{'0' * 32}-{PARENT}-01".encode(), b"\xff" * 55])
def test_a_senseless_traceparent_begins_a_new_trace(
    tracing: Tracing, exporter: InMemorySpanExporter, given: bytes
) -> None:
    context = received(tracing, [(b"traceparent", given)])
    context.code = Code.NOT_READY
    tracing.answered(context, 503)
    [span] = exporter.get_finished_spans()
    assert span.parent is None
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "not_ready"


def test_what_the_caller_does_not_sample_is_not_exported(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    context = received(tracing, traceparent("00"))
    tracing.answered(context, 200)
    assert exporter.get_finished_spans() == ()
    assert (context.trace_id, context.span) == (TRACE, None)


@pytest.mark.parametrize("told", [TRACE, None])
def test_without_an_exporter_the_caller_s_trace_is_known_to_the_log_and_nothing_is_recorded(told: str | None) -> None:
    headers = traceparent() if told else [(b"traceparent", f"00-{'0' * 32}-{PARENT}-01".encode())]
    context = received(Tracing(None), headers)
    called = RequestContext("order-4712")
    Tracing(None).called(called, "/a/b", [(key.decode(), value.decode()) for key, value in headers])
    assert (context.trace_id, context.span) == (called.trace_id, called.span) == (told, None)
