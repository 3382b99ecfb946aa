"""Clients that are gone before their answer, a thousand times over each transport, leave nothing behind."""

import asyncio
import random
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import psutil
import pytest

from tests.e2e.server import Server, running

LEAVERS = 1000
AT_ONCE = 50
KILLED_AT_ONCE = 200
TEXTS = ["the lacquer box holds three trays of rice and vegetables"] * 10
BODY = orjson.dumps({"inputs": TEXTS})
REQUEST = b"POST /embed HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
    BODY
)
RESET = b"\1\0\0\0\0\0\0\0"
"""Of SO_LINGER: closing resets, as the kernel does for a client that died with data on its way."""
SETTLE_S = 20.0
KEPT_BYTES = 24 * 1024
"""Growth for each leaver from which on it is a leak: memory at rest goes up and down by some 15 MiB, and what a single
call or stream holds is larger."""

CALLING = """
import asyncio, sys
import grpc
from wire._generated import encoder_pb2 as pb, encoder_pb2_grpc

async def call(kind, address, texts, number):
    inputs = [pb.Input(text=text) for text in texts]

    async def requests():
        while True:
            yield pb.EmbedStreamRequest(inputs=inputs)

    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = encoder_pb2_grpc.EncoderStub(channel)

        async def unary():
            while True:
                await stub.Embed(pb.EmbedRequest(inputs=inputs))
                print("answered", flush=True)

        async def stream():
            async for response in stub.EmbedStream(requests()):
                print("answered", flush=True)

        await asyncio.gather(*(unary() if kind == "unary" else stream() for _ in range(number)))

kind, address, number, *texts = sys.argv[1:]
asyncio.run(call(kind, address, texts, int(number)))
"""
"""Calls until it is killed."""


@dataclass(frozen=True)
class Held:
    """What a server holds while nobody wants anything."""

    tasks: float
    descriptors: int
    bytes: int


@pytest.fixture(scope="module")
def server(slow_model: str, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a slow model with room for everybody, so that leaving is all that goes wrong."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    with running(
        repository, log, JUBAKO_MODELS=f'["{slow_model}"]', JUBAKO_QUEUE__MAX_TOKENS="10000000",
        JUBAKO_OBSERVABILITY__ACCESS_LOG="false",
    ) as server:  # fmt: skip
        yield server


async def leave_http(server: Server, leavers: int) -> None:
    """Send requests, or halves of them, and reset their connections at some moment before the answer."""
    room, moments = asyncio.Semaphore(AT_ONCE), random.Random(5)

    async def leave(patience: float, part: int) -> None:
        async with room:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write((REQUEST + BODY)[:part])
            await asyncio.sleep(patience)
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    whole = len(REQUEST) + len(BODY)
    parts = [whole, whole, whole // 2, len(REQUEST) // 2]
    await asyncio.gather(*(leave(moments.uniform(0, 0.2), parts[number % 4]) for number in range(leavers)))


async def kill_callers(server: Server, leavers: int, kind: str) -> None:
    """Have processes call over gRPC, and kill each while its calls are on their way and some are answered."""
    for _ in range(leavers // KILLED_AT_ONCE):
        caller = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CALLING, kind, server.grpc_address, str(KILLED_AT_ONCE), *TEXTS,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert caller.stdout is not None
        assert await caller.stdout.readline() == b"answered\n"
        caller.kill()
        await caller.wait()


async def kill_unary_callers(server: Server, leavers: int) -> None:
    await kill_callers(server, leavers, "unary")


async def kill_streaming_callers(server: Server, leavers: int) -> None:
    await kill_callers(server, leavers, "stream")


@pytest.mark.parametrize("leave", [leave_http, kill_unary_callers, kill_streaming_callers])
async def test_clients_that_die_leave_nothing_behind(
    leave: Callable[[Server, int], Awaitable[None]], server: Server
) -> None:
    await leave(server, LEAVERS)
    before = await at_rest(server)
    await leave(server, LEAVERS)
    after = await at_rest(server)
    assert after.tasks <= before.tasks + 2
    assert after.descriptors <= before.descriptors + 2
    assert after.bytes - before.bytes < LEAVERS * KEPT_BYTES
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    assert httpx.post(f"{server.url}/embed", json={"inputs": ["hello"]}).status_code == 200


async def at_rest(server: Server) -> Held:
    """Wait until nothing is queued and no descriptor is closed any more, and return what is held then."""
    last = None
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client, asyncio.timeout(SETTLE_S):
        while True:
            values = _values((await client.get("/metrics")).text)
            tasks = next(value for name, value in values.items() if name.startswith("jubako_tasks"))
            now = (tasks, _descriptors(server))
            if now == last and values['jubako_queue_tokens{model="slow"}'] == 0:
                return Held(*now, server.memory_bytes())
            last = now
            await asyncio.sleep(0.5)


def _values(text: str) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def _descriptors(server: Server) -> int:
    return sum(process.num_fds() for process in psutil.Process(server.process.pid).children(recursive=True))
