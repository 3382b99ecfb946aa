"""gRPC against a real `bentoml serve`."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from bundle.bundle import Bundle
from serving.errors import TABLE
from tests.e2e.server import Server, running, start
from tests.tiny import CORPUS, embed_directly
from wire._generated import encoder_pb2 as pb
from wire._generated.encoder_pb2_grpc import EncoderStub

LONG = "the lacquer box holds three trays of rice and vegetables and a server answers many questions"
QUEUE_S = 2.0


@pytest.fixture
def channel(tiny_server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(tiny_server.grpc_address) as channel:
        yield channel


def texts(*given: str, **options: Any) -> pb.EmbedRequest:
    return pb.EmbedRequest(inputs=[pb.Input(text=text) for text in given], options=pb.EmbedOptions(**options))


def test_vectors_are_those_of_the_graph_alone_in_lists_and_in_a_stream(channel: grpc.Channel, tiny: Bundle) -> None:
    stub = EncoderStub(channel)
    expected = embed_directly(tiny.root, CORPUS)
    answer, call = stub.Embed.with_call(texts(*CORPUS), metadata=[("x-request-id", "order-7")])
    streamed = stub.EmbedStream(iter([pb.EmbedStreamRequest(inputs=[pb.Input(text=text)]) for text in CORPUS]))
    for items in (answer.data, [item for response in streamed for item in response.response.data]):
        np.testing.assert_allclose([np.frombuffer(item.packed, "<f4") for item in items], expected, atol=1e-6)
    metadata = dict(call.trailing_metadata())
    assert metadata["x-request-id"] == "order-7"
    assert metadata["server-timing"].startswith("tokenize;dur=")


def test_health_and_reflection_tell_of_all_that_is_served(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "jubako.v1.Encoder", "inference.GRPCInferenceService", "tiny"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert {"jubako.v1.Encoder", "inference.GRPCInferenceService", "grpc.health.v1.Health"} <= set(
        ProtoReflectionDescriptorDatabase(channel).get_services()
    )


def test_calls_are_in_the_metrics_and_in_the_access_log(tiny_server: Server, channel: grpc.Channel) -> None:
    EncoderStub(channel).Embed(texts("rice"))
    with pytest.raises(grpc.RpcError):
        EncoderStub(channel).Embed(texts("rice", model="bookz"))
    metrics = httpx.get(f"{tiny_server.url}/metrics").text
    for status in ("OK", "NOT_FOUND"):
        line = rf'jubako_request_seconds_count\{{endpoint="/jubako.v1.Encoder/Embed",status="{status}"\}} [1-9]'
        assert re.search(line, metrics)
    tiny_server.await_log("GRPC /jubako.v1.Encoder/Embed NOT_FOUND")


@pytest.mark.parametrize("path", ["/jubako.v1.Encoder/Embedd", "/a/b"])
def test_unknown_methods_broken_and_huge_messages_have_their_status(channel: grpc.Channel, path: str) -> None:
    met = []
    for method, raw in ((path, b""), ("/jubako.v1.Encoder/Embed", b"\xff"), ("/jubako.v1.Encoder/Embed", bytes(10**8))):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(method)(raw)
        met.append(caught.value.code().name)
    assert met == ["UNIMPLEMENTED", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"]
    assert EncoderStub(channel).Embed(texts("rice")).model == "tiny"


@pytest.fixture(scope="module")
def slow_server(slow_model: str, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    with running(repository, log, JUBAKO_MODELS=f'["{slow_model}"]') as server:
        yield server


def rows_computed(server: Server) -> float:
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith("jubako_rows_total"))


async def test_a_deadline_behind_a_long_queue_is_met_and_its_row_is_never_computed(slow_server: Server) -> None:
    async with grpc.aio.insecure_channel(slow_server.grpc_address) as channel:
        stub = EncoderStub(channel)
        for _ in range(2):  # the first one warms up
            begin = time.perf_counter()
            await stub.Embed(texts(*[LONG] * 64))
        queued = min(int(64 * 2 * QUEUE_S / (time.perf_counter() - begin)), 2000)
        before = rows_computed(slow_server)
        held = asyncio.ensure_future(_awaited(stub.Embed(texts(*[LONG] * queued))))
        await asyncio.sleep(0.2)
        begin = time.perf_counter()
        for _ in range(3):
            sent = time.perf_counter()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Embed(texts("late"), timeout=0.05)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert time.perf_counter() - sent < 0.1
        assert not held.done()
        await held
        assert time.perf_counter() - begin > QUEUE_S / 2
        assert rows_computed(slow_server) - before == queued


async def _awaited(call: Any) -> Any:
    return await call


async def test_calls_that_are_cancelled_cost_no_compute(slow_server: Server) -> None:
    before = rows_computed(slow_server)
    async with grpc.aio.insecure_channel(slow_server.grpc_address) as channel:
        stub = EncoderStub(channel)
        calls = [stub.Embed(texts(*[LONG] * 100)) for _ in range(3)]
        streams = [stub.EmbedStream() for _ in range(3)]
        for stream in streams:
            await stream.write(pb.EmbedStreamRequest(inputs=[pb.Input(text=LONG)] * 100))
        await asyncio.sleep(0.1)
        for each in (*calls, *streams):
            each.cancel()
        await stub.Embed(texts("after"))
    assert rows_computed(slow_server) - before < 200


def test_a_port_that_is_taken_ends_the_start_and_is_told(tiny_server: Server, repository: Path, tmp_path: Path) -> None:
    taken = str(tiny_server.grpc_port)
    server = start(repository, tmp_path / "log", JUBAKO_MODELS='["tiny"]', JUBAKO_GRPC_PORT=taken)
    try:
        assert server.process.wait(60) != 0
        assert "JUBAKO_GRPC_PORT" in server.log.read_text()
    finally:
        server.stop()


def test_the_page_tells_every_code_of_the_table(repository: Path) -> None:
    page = (repository / "docs/grpc.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `([A-Z_]+)` \| (\d+) \| (\w*) ?\|$", page, flags=re.MULTILINE)
    assert rows == [
        (code.value, told.grpc, str(told.http), "yes" if told.retry else "") for code, told in TABLE.items()
    ]  # fmt: skip
