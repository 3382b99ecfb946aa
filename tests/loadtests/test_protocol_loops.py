"""The load over gRPC and of lists, against small real servers: what is recorded has to be what they saw."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from loadtests.plan import LOST, Plan, Record, Request
from loadtests.protocol_loops import LeanCalls, Lists, calls, client_calls, stream
from tests.loadtests.tiny_http import Reply, tiny_server
from wire._generated import encoder_pb2 as pb

METHOD = "/test.Service/Method"
DATA = [b"one", b"two" * 300, b"three"]
ANSWER = pb.EmbedStreamResponse(response=pb.EmbedResponse(data=[pb.Embedding(packed=b"0000")])).SerializeToString()
REFUSED = pb.EmbedStreamResponse(error={"code": 8, "message": "full"}).SerializeToString()
FULL = grpc.StatusCode.RESOURCE_EXHAUSTED

Loading = Callable[[Plan], Coroutine[Any, Any, Record]]


@asynccontextmanager
async def rpc_server(handler: Any) -> AsyncIterator[int]:
    """Serve one handler for every method, on a free loopback port."""

    class Everything(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            return handler

    server = grpc.aio.server()
    server.add_generic_rpc_handlers([Everything()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


def plan(port: int, connections: int = 4) -> Plan:
    return Plan(port, [Request("", 1, 5)] * len(DATA), connections, 0.3, warmup_s=0.1, grace_s=1.0, path=METHOD)


async def lean(plan: Plan) -> Record:
    return await LeanCalls(plan, lambda word: None, DATA).run()


async def library(plan: Plan) -> Record:
    return await calls(plan, lambda word: None, DATA)


@pytest.fixture(params=[lean, library], ids=["hand-written", "grpc.aio"])
def load(request: pytest.FixtureRequest) -> Loading:
    chosen: Loading = request.param
    return chosen


async def test_calls_are_sent_in_turn_and_all_recorded(load: Loading) -> None:
    seen: list[bytes] = []

    async def answer(raw: bytes, context: object) -> bytes:
        seen.append(raw)
        await asyncio.sleep(0.005)
        return raw

    async with rpc_server(grpc.unary_unary_rpc_method_handler(answer)) as port:
        record = await load(plan(port))
    assert len(record.status) == len(seen) > 20
    assert Counter(seen) == Counter(DATA[at] for at in record.request)
    assert set(record.status) == {200}
    assert (record.done_ns - record.sent_ns >= 4_900_000).all()
    assert 0 < record.client_cpu_s < record.window_s


async def test_so_many_calls_are_under_way_and_no_more(load: Loading) -> None:
    most = 0
    now = 0

    async def answer(raw: bytes, context: object) -> bytes:
        nonlocal now, most
        now += 1
        most = max(now, most)
        await asyncio.sleep(0.02)
        now -= 1
        return raw

    async with rpc_server(grpc.unary_unary_rpc_method_handler(answer)) as port:
        await load(plan(port, connections=7))
    assert most == 7


async def test_calls_that_fail_are_not_counted_as_answered(load: Loading) -> None:
    async def answer(raw: bytes, context: Any) -> bytes:
        if raw == DATA[1]:
            await context.abort(FULL, "full")
        await asyncio.sleep(0.001)
        return raw

    async with rpc_server(grpc.unary_unary_rpc_method_handler(answer)) as port:
        record = await load(plan(port))
    assert len(record.status) > 20
    assert set(record.status[record.request == 1]) == {LOST if load is lean else FULL.value[0]}
    assert set(record.status[record.request != 1]) == {200}


async def test_a_server_that_never_answers_does_not_hold_the_run(load: Loading) -> None:
    async def answer(raw: bytes, context: object) -> bytes:
        await asyncio.sleep(60)
        return raw

    async with rpc_server(grpc.unary_unary_rpc_method_handler(answer)) as port:
        record = await load(plan(port, connections=2))
    assert list(record.status) == [LOST, LOST]


async def test_the_hand_written_load_waits_when_the_server_takes_no_more() -> None:
    """A hundred messages of 9 kB are more than a server grants at first; it has to grant more before all are sent."""
    seen: list[bytes] = []
    data = [bytes([number]) * 9000 for number in range(100)]

    async def answer(raw: bytes, context: object) -> bytes:
        seen.append(raw)
        await asyncio.sleep(0.02)
        return raw

    async with rpc_server(grpc.unary_unary_rpc_method_handler(answer)) as port:
        record = await LeanCalls(plan(port, connections=100), lambda word: None, data).run()
    assert set(record.status) == {200}
    assert Counter(seen) == Counter(data[at] for at in record.request)


async def test_what_is_under_way_when_the_connection_breaks_is_lost_and_another_is_opened() -> None:
    opened = 0

    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await reader.readuntil(DATA[2])
        writer.close()

    server = await asyncio.start_server(drop, "127.0.0.1", 0)
    async with server:
        record = await lean(plan(server.sockets[0].getsockname()[1]))
    assert opened >= 2
    assert len(record.status) == opened * 4
    assert set(record.status) == {LOST}


async def test_calls_of_our_client_are_recorded_by_the_status_they_meet() -> None:
    vector = pb.EmbedResponse(model="text", version="1", data=[pb.Embedding(packed=b"\0" * 8)]).SerializeToString()

    async def answer(raw: bytes, context: Any) -> bytes:
        if pb.EmbedRequest.FromString(raw).inputs[0].text == DATA[1].decode():
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        await asyncio.sleep(0.001)
        return vector

    async with rpc_server(grpc.unary_unary_rpc_method_handler(answer)) as port:
        record = await client_calls(plan(port), lambda word: None, DATA, "grpc")
    assert set(record.status[record.request != 1]) == {200}
    assert 200 not in set(record.status[record.request == 1])


def streaming(answers: Callable[[bytes, Any], Awaitable[bytes]]) -> Any:
    async def behave(requests: Any, context: Any) -> AsyncIterator[bytes]:
        async for raw in requests:
            yield await answers(raw, context)

    return grpc.stream_stream_rpc_method_handler(behave)


async def test_a_stream_sends_everything_and_takes_every_answer() -> None:
    seen: list[bytes] = []
    marks: list[str] = []

    async def answer(raw: bytes, context: object) -> bytes:
        seen.append(raw)
        await asyncio.sleep(0.01)
        return REFUSED if raw == DATA[1] else ANSWER

    async with rpc_server(streaming(answer)) as port:
        record = await stream(plan(port), marks.append, DATA)
    assert seen == DATA
    assert marks == ["start", "stop"]
    assert list(record.status) == [200, LOST, 200]
    assert record.window_s >= 0.03
    assert record.done_ns[-1] <= record.window_s * 1e9
    assert (record.done_ns - record.sent_ns >= 9_900_000).all()


async def test_a_stream_that_breaks_is_an_error_and_no_figure() -> None:
    async def answer(raw: bytes, context: Any) -> bytes:
        if raw == DATA[1]:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        return ANSWER

    async with rpc_server(streaming(answer)) as port:
        with pytest.raises(grpc.aio.AioRpcError, match="gone"):
            await stream(plan(port), lambda word: None, DATA)


async def test_lists_are_sent_once_each_and_the_window_ends_with_the_last() -> None:
    marks: list[str] = []
    asked = [Request(f'{{"inputs":["{number}"]}}', 1, 5) for number in range(25)]
    async with tiny_server(lambda number: Reply(delay_s=0.01)) as server:
        record = await Lists(Plan(server.port, asked, 4, 10.0), marks.append).run()
    assert sorted(server.bodies) == sorted(request.body.encode() for request in asked)
    assert set(record.status) == {200}
    assert marks == ["start", "stop"]
    assert 0.06 < record.window_s < 5
    assert record.done_ns.max() <= record.window_s * 1e9
