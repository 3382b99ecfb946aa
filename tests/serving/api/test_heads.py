"""Connections that send their heads slowly, or without end, to uvicorn with our protocol class."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from websockets.asyncio.client import connect

from serving.api.asgi import Answer, Receive, Scope, Send, send_answer
from serving.api.heads import BoundedHeads, bound_heads
from serving.settings import Limits

HEAD_S = 0.3
MAX_BYTES = 4096
REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


class Served:
    """An application on a free port, and what it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.port = 0
        self.answer_at_once = True
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        if scope["type"] == "websocket":
            await _serve_socket(receive, send)
            return
        if not self.answer_at_once:
            await self.go.wait()
        await send_answer(send, Answer(b"{}"))


async def _serve_socket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": "yes"})


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    app = Served()
    bounds = {"head_s": HEAD_S, "max_head_bytes": MAX_BYTES}
    config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_keep_alive=5,
                            http=type("Bounded", (BoundedHeads,), bounds))  # fmt: skip
    config.load()
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: config.http_protocol_class(config=config, server_state=server.server_state, app_state={}),  # type: ignore[call-arg]
        "127.0.0.1", 0,
    )  # fmt: skip
    app.port = listening.sockets[0].getsockname()[1]
    yield app
    listening.close()


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def ended(reader: asyncio.StreamReader, within_s: float = 5 * HEAD_S) -> bytes:
    """Return what still comes until the server closes the connection, which it does neither early nor late."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    async with asyncio.timeout(within_s):
        rest = await reader.read()
    assert loop.time() - begin > HEAD_S / 3
    return rest


async def trickle(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send a byte at a time, so that there is always something new."""
    for byte in data:
        writer.write(bytes([byte]))
        await asyncio.sleep(HEAD_S / 20)


async def test_a_connection_that_sends_nothing_is_closed_in_silence(served: Served) -> None:
    async with connected(served) as (reader, _):
        assert await ended(reader) == b""


async def test_a_head_that_trickles_is_given_up(served: Served) -> None:
    async with connected(served) as (reader, writer):
        sending = asyncio.create_task(trickle(writer, b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: " + b"a" * 100))
        assert (await ended(reader)).startswith(b"HTTP/1.1 408 Request Timeout\r\nconnection: close")
        sending.cancel()
    assert served.asked == 0


async def test_so_is_the_head_of_a_second_request_and_an_idle_connection_is_not(served: Served) -> None:
    async with connected(served) as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST)
            assert b"200 OK" in await reader.readuntil(b"{}")
            await asyncio.sleep(1.5 * HEAD_S)  # uvicorn's own keep-alive is 5 s
        writer.write(REQUEST[:10])
        assert b"408" in await ended(reader)


async def test_empty_lines_do_not_hold_a_connection(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(REQUEST)
        await reader.readuntil(b"{}")
        sending = asyncio.create_task(trickle(writer, b"\r\n" * 50))
        await ended(reader)
        sending.cancel()


async def test_nor_does_a_body_that_nobody_reads(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n")
        await reader.readuntil(b"{}")
        sending = asyncio.create_task(trickle(writer, b"a" * 100))
        await ended(reader)
        sending.cancel()


async def test_an_answer_may_take_longer_than_a_head(served: Served) -> None:
    served.answer_at_once = False
    async with connected(served) as (reader, writer):
        writer.write(REQUEST)
        await asyncio.sleep(2 * HEAD_S)
        served.go.set()
        assert b"200 OK" in await reader.readuntil(b"{}")


@pytest.mark.parametrize("step", [100, 100_000], ids=["in pieces", "at once"])
@pytest.mark.parametrize("head", [
    b"GET / HTTP/1.1\r\nx-long: " + b"a" * 2 * MAX_BYTES,
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * MAX_BYTES,
    b"GET /" + b"a" * 2 * MAX_BYTES,
], ids=["a long header", "many headers", "a long path"])  # fmt: skip
async def test_a_head_without_end_is_given_up(served: Served, head: bytes, step: int) -> None:
    async with connected(served) as (reader, writer):
        with suppress(ConnectionError):  # what is sent after the end makes the kernel reset the connection
            for start in range(0, len(head), step):
                writer.write(head[start : start + step])
                await writer.drain()
            assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
        assert reader.at_eof() or reader.exception() is not None
    assert served.asked == 0


@pytest.mark.parametrize("answered", [True, False], ids=["of an answered request", "of one that waits"])
@pytest.mark.parametrize("rest", [
    b"0\r\n" + b"a: b\r\n" * 20 * MAX_BYTES, b"0\r\nx-long: " + b"a" * 20 * MAX_BYTES, b"1;" + b"a" * 20 * MAX_BYTES,
], ids=["many trailers", "a long trailer", "a long extension"])  # fmt: skip
async def test_trailers_without_end_are_given_up(served: Served, rest: bytes, answered: bool) -> None:
    served.answer_at_once = answered
    async with connected(served) as (reader, writer), asyncio.timeout(HEAD_S):
        with suppress(ConnectionError):
            writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
            if answered:
                await reader.readuntil(b"{}")
            for start in range(0, len(rest), 1000):
                writer.write(rest[start : start + 1000])
                await writer.drain()
            assert (await reader.read())[9:12] in (b"431", b"")
    served.go.set()


async def test_a_body_in_the_smallest_chunks_is_read(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        await reader.readuntil(b"{}")
        writer.write(b"1\r\na\r\n" * 5 * MAX_BYTES + b"0\r\n\r\n" + REQUEST)
        await reader.readuntil(b"{}")


async def test_a_whole_head_that_is_too_large_is_refused_and_a_large_body_is_not(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(REQUEST[:-2] + b"x-long: " + b"a" * 2 * MAX_BYTES + b"\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
    async with connected(served) as (reader, writer):
        body = b"a" * 10 * MAX_BYTES
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert b"200 OK" in await reader.readuntil(b"{}")
    assert served.asked == 1


async def test_a_websocket_is_left_alone(served: Served) -> None:
    async with connect(f"ws://127.0.0.1:{served.port}/") as socket:
        await asyncio.sleep(2 * HEAD_S)
        await socket.send("still here?")
        assert await socket.recv() == "yes"


@pytest.fixture
def uvicorn_s_signal() -> Iterator[uvicorn.Server]:
    server = uvicorn.Server(uvicorn.Config(lambda: None, http="auto"))
    server.config.load()
    before = signal.signal(signal.SIGTERM, server.handle_exit)
    yield server
    signal.signal(signal.SIGTERM, before)


def test_the_class_is_set_in_the_uvicorn_of_the_worker(uvicorn_s_signal: uvicorn.Server) -> None:
    assert bound_heads(Limits(head_ms=1500, max_head_bytes=9))
    kind = uvicorn_s_signal.config.http_protocol_class
    assert issubclass(kind, BoundedHeads)
    assert (kind.head_s, kind.max_head_bytes) == (1.5, 9)


def test_where_no_uvicorn_is_nothing_is_set() -> None:
    assert not bound_heads(Limits())


def test_idle_connections_are_kept_longer_than_balancers_keep_them_unless_the_command_says(
    uvicorn_s_signal: uvicorn.Server,
) -> None:
    bound_heads(Limits())
    assert uvicorn_s_signal.config.timeout_keep_alive == 75
    uvicorn_s_signal.config.timeout_keep_alive = 20
    bound_heads(Limits())
    assert uvicorn_s_signal.config.timeout_keep_alive == 20
