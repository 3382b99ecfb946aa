"""A server that is told to stop under load: no accepted request fails, health flips first, and it ends in time."""

import asyncio
import signal
import time
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from grpc_health.v1 import health_pb2

from bundle.bundle import Bundle
from tests.e2e.load import (
    CONNECTIONS,
    RPC_CALLERS,
    Met,
    keep_calling,
    keep_calling_rpc,
    keep_streaming,
    terminate,
    watch_readiness,
    watch_rpc_health,
)
from tests.e2e.server import running, wait_until_ready
from wire._generated import encoder_pb2 as pb
from wire._generated import encoder_pb2_grpc

DELAY_S = 1.0
LIMIT_S = 10.0
Status = health_pb2.HealthCheckResponse
LONG = {"inputs": ["of " * 60] * 2000}
LONG_RPC = pb.EmbedRequest(inputs=[pb.Input(text=text) for text in LONG["inputs"]])
TOPOLOGIES: dict[str, dict[str, str]] = {
    "single": {},
    "split": {"JUBAKO_TOPOLOGY": "split", "JUBAKO_FRONTS": "2"},
}


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_no_accepted_request_fails(topology: str, stored_tiny: Bundle, repository: Path, tmp_path: Path) -> None:
    environment = {
        "JUBAKO_MODELS": '["tiny"]',
        "JUBAKO_LIFECYCLE__DRAIN_DELAY_MS": str(DELAY_S * 1000),
        "JUBAKO_LIFECYCLE__DRAIN_LIMIT_MS": str(LIMIT_S * 1000),
        **TOPOLOGIES[topology],
    }
    http, rpc, stream = Met(), Met(), Met()
    with running(repository, tmp_path / "log", **environment) as server:
        (told, seconds, code), ready, healthy, broken_off, *_ = await asyncio.gather(
            terminate(server, after_s=1.0), watch_readiness(server), watch_rpc_health(server),
            keep_streaming(server, stream), keep_calling(server, http), keep_calling_rpc(server, rpc),
        )  # fmt: skip
    assert (http.failures, rpc.failures, stream.failures) == ([], [], [])
    assert (http.refused, rpc.refused) == (CONNECTIONS, RPC_CALLERS)
    for seen, bad, met in (ready, 503, http), (healthy, Status.NOT_SERVING, rpc):
        flipped = next(when for when, status in seen if status == bad)
        assert {status for when, status in seen if when > flipped} <= {bad}
        assert told < flipped < told + DELAY_S, "health flips first"
        assert any(answer.sent > flipped for answer in met.answered), "requests still succeed when health has flipped"
    assert not any(answer.closes for answer in http.answered if answer.got < told)
    assert all(answer.closes for answer in http.answered if answer.sent > told + 0.2)
    assert_told_to_go_elsewhere(broken_off)
    assert max(answer.sent for answer in stream.answered) > told, "what a stream had sent is answered"
    assert seconds < LIMIT_S
    assert code == 0


async def test_what_is_not_answered_at_the_limit_gets_503(slow_model: str, repository: Path, tmp_path: Path) -> None:
    environment = {
        "JUBAKO_MODELS": f'["{slow_model}"]',
        "JUBAKO_LIFECYCLE__DRAIN_LIMIT_MS": "1500",
        "JUBAKO_QUEUE__MAX_TOKENS": "1000000",
    }
    with running(repository, tmp_path / "log", **environment) as server:
        async with (
            httpx.AsyncClient(timeout=60) as client,
            grpc.aio.insecure_channel(server.grpc_address) as channel,
        ):
            call = asyncio.create_task(client.post(f"{server.url}/embed", json=LONG))
            rpc = encoder_pb2_grpc.EncoderStub(channel).Embed(LONG_RPC)
            _, seconds, code = await terminate(server, after_s=0.3)
            assert_refused(await call)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rpc
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert (seconds < 4.0, code) == (True, 0)


async def test_a_second_signal_ends_the_server_at_once(slow_model: str, repository: Path, tmp_path: Path) -> None:
    with running(repository, tmp_path / "log", JUBAKO_MODELS=f'["{slow_model}"]') as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            call = asyncio.create_task(client.post("/embed", json=LONG))
            await asyncio.sleep(0.3)
            server.process.send_signal(signal.SIGINT)
            (_, seconds, code), response = await asyncio.gather(terminate(server, after_s=1.5), call)
    assert_refused(response)
    assert (seconds < 3.0, code) == (True, 0)


async def test_a_second_signal_ends_a_worker_at_once_and_its_successor_listens_again(
    slow_model: str, repository: Path, tmp_path: Path
) -> None:
    with running(repository, tmp_path / "log", JUBAKO_MODELS=f'["{slow_model}"]') as server:
        worker = psutil.Process(server.process.pid).children()[0]
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            call = asyncio.create_task(client.post("/embed", json=LONG))
            await asyncio.sleep(0.3)
            worker.send_signal(signal.SIGTERM)
            await asyncio.sleep(1.2)
            assert not call.done()
            second = time.perf_counter()
            worker.send_signal(signal.SIGTERM)
            response = await call
            assert_refused(response)
            assert time.perf_counter() - second < 1.0
        await asyncio.to_thread(worker.wait, 10)
        wait_until_ready(server)


async def test_an_interrupt_from_the_keyboard_stops_like_sigterm(
    stored_tiny: Bundle, repository: Path, tmp_path: Path
) -> None:
    with running(repository, tmp_path / "log", JUBAKO_MODELS='["tiny"]') as server:
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        server.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(server.process.wait, 10) == 0
    assert "Traceback" not in server.log.read_text()


def assert_refused(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    assert (response.headers["retry-after"], response.headers["connection"]) == ("1", "close")


def assert_told_to_go_elsewhere(error: grpc.RpcError | None) -> None:
    assert error is not None
    metadata = dict(error.trailing_metadata() or ())
    assert (error.code(), metadata.get("retry-after")) == (grpc.StatusCode.UNAVAILABLE, "1"), error
