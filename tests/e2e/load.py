"""Callers that do not let up, and what they met: for tests of a server that stops under load."""

import asyncio
import gc
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.e2e.server import Server
from wire._generated import encoder_pb2 as pb
from wire._generated import encoder_pb2_grpc

CONNECTIONS = 32
RPC_CALLERS = 8
TEXTS = ["the lacquer box holds three trays of rice and vegetables"] * 4


@dataclass(frozen=True)
class Answered:
    """A request that succeeded; times by `time.perf_counter`."""

    sent: float
    got: float
    closes: bool = False
    """Whether the answer closed its connection."""


@dataclass
class Met:
    """What callers met."""

    answered: list[Answered] = field(default_factory=list)
    refused: int = 0
    """Connections that were never made."""
    failures: list[str] = field(default_factory=list)
    """Everything else."""


async def keep_calling(server: Server, met: Met, connections: int = CONNECTIONS) -> None:
    """Send one request after another over each of some connections, until each of them is refused."""
    gc.freeze()  # a pause of this process, full of what other tests left, would look like one of the server's
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as client:
        await asyncio.gather(*(_call_until_refused(client, met) for _ in range(connections)))


async def _call_until_refused(client: httpx.AsyncClient, met: Met) -> None:
    while True:
        sent = time.perf_counter()
        try:
            response = await client.post("/embed", json={"inputs": TEXTS})
        except httpx.ConnectError:
            met.refused += 1
            return
        except httpx.TransportError as error:
            met.failures.append(repr(error))
            return
        if response.status_code != 200 or len(response.json()["data"]) != len(TEXTS):
            met.failures.append(f"{response.status_code} {response.text}")
            return
        met.answered.append(Answered(sent, time.perf_counter(), response.headers.get("connection") == "close"))


async def keep_calling_rpc(server: Server, met: Met, callers: int = RPC_CALLERS) -> None:
    """The same over gRPC, all callers on one channel."""
    async with grpc.aio.insecure_channel(server.grpc_address) as channel:
        stub = encoder_pb2_grpc.EncoderStub(channel)
        await asyncio.gather(*(_call_rpc_until_refused(stub, met) for _ in range(callers)))


async def _call_rpc_until_refused(stub: encoder_pb2_grpc.EncoderStub, met: Met) -> None:
    while True:
        sent = time.perf_counter()
        try:
            response = await stub.Embed(pb.EmbedRequest(inputs=[pb.Input(text=text) for text in TEXTS]), timeout=60)
        except grpc.aio.AioRpcError as error:
            if _is_refusal(error):
                met.refused += 1
            else:
                met.failures.append(repr(error))
            return
        if len(response.data) != len(TEXTS):
            met.failures.append(str(response))
            return
        met.answered.append(Answered(sent, time.perf_counter()))


def _is_refusal(error: grpc.aio.AioRpcError) -> bool:
    """Return whether a call was told to go elsewhere, or met no server."""
    told = "retry-after" in dict(error.trailing_metadata() or ())
    return error.code() is grpc.StatusCode.UNAVAILABLE and (told or "onnection refused" in str(error.details()))


async def keep_streaming(server: Server, met: Met) -> grpc.RpcError | None:
    """Send one request after another over one stream, slower than they are answered; return what ended it."""
    return await asyncio.to_thread(_stream, server, met)


def _stream(server: Server, met: Met) -> grpc.RpcError | None:
    """Stream with gRPC's threads: its asyncio client tells INTERNAL of a stream that ends while it sends."""
    sent: list[float] = []
    ended = threading.Event()

    def requests() -> Iterator[pb.EmbedStreamRequest]:
        while not ended.wait(0.01):
            sent.append(time.perf_counter())
            yield pb.EmbedStreamRequest(inputs=[pb.Input(text=text) for text in TEXTS])

    with grpc.insecure_channel(server.grpc_address) as channel:
        try:
            for response in encoder_pb2_grpc.EncoderStub(channel).EmbedStream(requests()):
                if len(response.response.data) != len(TEXTS):
                    met.failures.append(str(response))
                met.answered.append(Answered(sent[len(met.answered)], time.perf_counter()))
        except grpc.RpcError as error:
            return error
        finally:
            ended.set()
    return None


async def watch_rpc_health(server: Server) -> list[tuple[float, int]]:
    """Ask gRPC's health service again and again until nobody answers; return times and statuses."""
    seen: list[tuple[float, int]] = []
    async with grpc.aio.insecure_channel(server.grpc_address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while True:
            try:
                response = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
            except grpc.aio.AioRpcError:
                return seen
            seen.append((time.perf_counter(), response.status))
            await asyncio.sleep(0.02)


async def watch_readiness(server: Server) -> list[tuple[float, int]]:
    """Ask for readiness again and again until nobody answers; return times and statuses."""
    seen: list[tuple[float, int]] = []
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
        while True:
            try:
                response = await client.get("/readyz")
            except httpx.TransportError:
                return seen
            assert response.status_code == 200 or response.headers["retry-after"] == "1"
            seen.append((time.perf_counter(), response.status_code))
            await asyncio.sleep(0.02)


async def terminate(server: Server, after_s: float) -> tuple[float, float, int]:
    """Send SIGTERM after a while; return when that was, the seconds to the server's exit, and its exit code."""
    await asyncio.sleep(after_s)
    told = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(server.process.wait, 60)
    return told, time.perf_counter() - told, code
