"""What every call has in common, on the wire."""

import re
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY

from serving.api.access_log import AccessLog
from serving.api.tracing import Tracing
from serving.settings import Observability
from serving.telemetry.late import tell_all
from serving.telemetry.request_context import RequestContext
from tests.serving.api.rpc.conftest import Gated, connected, on_loopback, refusal, served, texts, told, until
from wire._generated.encoder_pb2_grpc import EncoderStub

EMBED = "/jubako.v1.Encoder/Embed"


def seconds_count(endpoint: str, status: str) -> float:
    tell_all()
    return REGISTRY.get_sample_value("jubako_request_seconds_count", {"endpoint": endpoint, "status": status}) or 0


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x05ab", b"{}"])
async def test_what_is_no_message_is_malformed(channel: Any, raw: bytes) -> None:
    error = await refusal(channel.unary_unary(EMBED)(raw))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert told(error)[0].reason == "malformed"


async def test_text_that_is_not_utf_8_is_malformed(channel: Any) -> None:
    error = await refusal(channel.unary_unary(EMBED)(b"\x0a\x04\x0a\x02\xff\xfe"))
    assert told(error)[0].reason == "malformed"


async def test_a_message_of_100_mb_is_refused_and_the_server_lives(channel: Any, stub: Any) -> None:
    error = await refusal(channel.unary_unary(EMBED)(b"\x0a" * 100_000_000))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in error.details()
    assert (await stub.Embed(texts("rice"))).model == "tiny"


async def test_a_small_message_that_unpacks_to_a_large_one_is_refused(channel: Any, stub: Any) -> None:
    call = channel.unary_unary(EMBED)(bytes(50_000_000), compression=grpc.Compression.Gzip)
    error = await refusal(call)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    packed = await stub.Embed(texts("rice " * 50), compression=grpc.Compression.Gzip)
    assert packed.model == "tiny"


@pytest.mark.parametrize("path", ["/jubako.v1.Encoder/Embedd", "/nothing/at/all", "/" + "x" * 5000, "/grpc.health.v1"])
@pytest.mark.parametrize("kind", ["unary_unary", "stream_stream"])
async def test_an_unknown_method_is_unimplemented(channel: Any, path: str, kind: str) -> None:
    if kind == "unary_unary":
        error = await refusal(channel.unary_unary(path)(b"whatever"))
    else:
        error = await refusal(channel.stream_stream(path)().read())
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert told(error)[0].reason == "unknown_path"


async def test_before_the_models_are_loaded_calls_are_told_to_come_back(gated: Gated) -> None:
    async with served(lambda: None, on_loopback(gated.settings)) as server, connected(server) as channel:
        stub = EncoderStub(channel)
        for call in (stub.Embed(texts("x")), stub.EmbedStream().read()):
            error = await refusal(call)
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert told(error)[1].retry_delay.seconds == 1


async def test_time_and_request_id_are_told_at_the_end(stub: Any) -> None:
    call = stub.Embed(texts("rice"), metadata=(("x-request-id", "order-7"),))
    await call
    metadata = dict(await call.trailing_metadata())
    assert metadata["x-request-id"] == "order-7"
    assert re.fullmatch(r"tokenize;dur=[\d.]+, queue;dur=[\d.]+, compute;dur=[\d.]+", metadata["server-timing"])


async def test_a_request_without_a_sane_id_gets_one(stub: Any) -> None:
    seen = set()
    for given in ((), (("x-request-id", "not a sane one"),), (("x-request-id", "y" * 1000),)):
        call = stub.Embed(texts("rice"), metadata=given)
        await call
        seen.add(dict(await call.trailing_metadata())["x-request-id"])
    assert len(seen) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in seen)
    failed = await refusal(stub.Embed(texts("rice", model="none"), metadata=(("x-request-id", "order-8"),)))
    assert dict(failed.trailing_metadata())["x-request-id"] == "order-8"


async def test_calls_are_counted_by_method_and_status(channel: Any, stub: Any) -> None:
    cases = {("OK", EMBED): 2.0, ("NOT_FOUND", EMBED): 1.0, ("UNIMPLEMENTED", "unknown"): 1.0}
    before = {case: seconds_count(case[1], case[0]) for case in cases}
    for _ in range(2):
        await stub.Embed(texts("rice"))
    await refusal(stub.Embed(texts("rice", model="none")))
    await refusal(channel.unary_unary("/a/b")(b""))
    assert {case: seconds_count(case[1], case[0]) - count for case, count in before.items()} == cases


async def test_every_call_has_a_line_in_the_access_log(
    stub: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.api.access_log.FLUSH_S", 0.0)
    with caplog.at_level("INFO", "jubako.access"):
        await stub.Embed(texts("rice"), metadata=(("x-request-id", "order-9"),))
        await refusal(stub.Embed(texts("rice", model="none")))
        await until(lambda: "NOT_FOUND" in caplog.text)
    assert re.search(rf"GRPC {EMBED} OK [\d.]+ms \d+B order-9", caplog.text)
    assert re.search(rf"GRPC {EMBED} NOT_FOUND [\d.]+ms 0B", caplog.text)


async def test_failed_calls_are_logged_whatever_the_sample(caplog: pytest.LogCaptureFixture) -> None:
    log = AccessLog(Observability(access_log_sample=0))
    with caplog.at_level("INFO", "jubako.access"):
        for status in ("OK", "INTERNAL"):
            log.answered(RequestContext("order-9"), "GRPC", EMBED, EMBED, status, 0.1, 5)
        log.flush()
    assert "INTERNAL" in caplog.text
    assert " OK " not in caplog.text


async def test_a_traceparent_is_honoured(monkeypatch: pytest.MonkeyPatch, gated: Gated) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(Tracing, "from_bentoml", lambda: Tracing(provider.get_tracer("test")))
    gated.device.gate.set()
    async with served(gated.core, on_loopback(gated.settings)) as server, connected(server) as channel:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        metadata = (("traceparent", f"00-{trace}-00f067aa0ba902b7-01"), ("x-request-id", "order-7"))
        await EncoderStub(channel).Embed(texts("x"), metadata=metadata)
        await refusal(EncoderStub(channel).Embed(texts("x", model="none")))
    stages = [span for span in spans.get_finished_spans() if span.kind is SpanKind.INTERNAL]
    good, bad = (span for span in spans.get_finished_spans() if span.kind is SpanKind.SERVER)
    assert {stage.name: stage.parent and stage.parent.span_id for stage in stages} == dict.fromkeys(
        ("tokenize", "queue", "compute"), good.context.span_id
    )
    assert (good.name, f"{good.context.trace_id:032x}") == ("jubako.v1.Encoder/Embed", trace)
    assert dict(good.attributes or {}) == {
        "rpc.system": "grpc", "rpc.service": "jubako.v1.Encoder", "rpc.method": "Embed", "rpc.grpc.status_code": 0,
        "rpc.grpc.request.metadata.x-request-id": ("order-7",),
        "jubako.model": "gated", "jubako.version": "1", "jubako.inputs": 1, "jubako.tokens": 3,
    }  # fmt: skip
    assert (bad.attributes or {})["rpc.grpc.status_code"] == 5
    assert (good.status.is_ok, bad.status.is_ok) == (True, True)  # a client's mistake is no error of the server


async def test_more_calls_than_the_limit_are_told_to_come_back_but_health_is_not(gated: Gated) -> None:
    settings = on_loopback(gated.settings, max_calls=2)
    async with served(gated.core, settings) as server, connected(server) as channel:
        stub = EncoderStub(channel)
        held = [stub.Embed(texts("x"))]
        await until(lambda: gated.admission.held_tokens > 0)
        tokens = gated.admission.held_tokens
        held.append(stub.Embed(texts("x")))
        await until(lambda: gated.admission.held_tokens == 2 * tokens)
        error = await refusal(stub.Embed(texts("x")))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert told(error)[0].reason == "overloaded"
        assert told(error)[1] is not None
        gated.device.gate.set()
        for call in held:
            await call
        assert (await stub.Embed(texts("x"))).model == "gated"
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
