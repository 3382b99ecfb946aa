"""When a request is sent again: on scripted errors and a clock of the test's."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from functools import partial
from threading import Event, Timer
from time import monotonic
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako import AsyncClient, Client, DeadlineError, ServerError, ServerUnreachable
from jubako.client.attempts import Attempts, Backoff
from tests.jubako.test_client import GOOD, async_client_of, client_of

BUSY = {"error": {"code": "overloaded", "message": "retry after the given time", "param": None}}


def busy(retry_after_s: float | None = 2.0, status: int = 429) -> ServerError:
    return ServerError(status, "overloaded" if status == 429 else "not_ready", "later", None, retry_after_s)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def attempts(clock: Clock, timeout_s: float = 60, chance: float = 0.0, retries: int = 3) -> Attempts:
    return Attempts(Backoff(retries), timeout_s, clock, lambda: chance)


def test_the_time_that_the_server_names_is_kept_and_a_little_more_by_chance() -> None:
    assert attempts(Clock()).wait_s(busy(2.0)) == 2.0
    assert attempts(Clock(), chance=0.8).wait_s(busy(2.0)) == pytest.approx(2.4)


def test_without_one_the_wait_doubles_up_to_a_bound() -> None:
    tries = attempts(Clock(), chance=0.0, timeout_s=1e6, retries=9)
    waits = [tries.wait_s(busy(None, 503)) for _ in range(8)]
    assert waits == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.5, 2.5])


@given(attempt=st.integers(0, 5000), chance=st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_longer_than_the_bound(attempt: int, chance: float) -> None:
    assert 0 < Backoff().wait_s(min(attempt, 900), None, chance) <= 5.0


@pytest.mark.parametrize("status", [400, 404, 408, 409, 413, 422, 499, 500, 502, 504])
def test_what_would_come_again_is_not_asked_again(status: int) -> None:
    error = ServerError(status, "any", "no", None, 1.0)
    with pytest.raises(ServerError) as caught:
        attempts(Clock()).wait_s(error)
    assert caught.value is error


def test_nobody_there_is_asked_again() -> None:
    tries = attempts(Clock(), retries=1)
    error = ServerUnreachable("http://test", "refused")
    assert tries.wait_s(error) == 0.05
    with pytest.raises(ServerUnreachable):
        tries.wait_s(error)


def test_no_try_begins_after_the_time() -> None:
    clock = Clock()
    tries = attempts(clock, timeout_s=3)
    assert tries.wait_s(busy(2.0)) == 2.0
    clock.now += 2.5
    assert tries.left_s() == 0.5
    with pytest.raises(ServerError, match="overloaded"):
        tries.wait_s(busy(1.0))
    clock.now += 1
    with pytest.raises(DeadlineError, match="within 3 s"):
        tries.left_s()


class Busy:
    """Refuses `times` requests before it answers, and remembers what it was asked."""

    def __init__(self, times: int, retry_after: str = "2") -> None:
        self.left = times
        self.retry_after = retry_after
        self.bodies: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.content))
        if self.left:
            self.left -= 1
            return httpx.Response(429, json=BUSY, headers={"retry-after": self.retry_after})
        return httpx.Response(200, json=GOOD)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    class Napping(Event):
        def wait(self, timeout: float | None = None) -> bool:
            naps.append(timeout or 0.0)
            return self.is_set()

    monkeypatch.setattr("jubako.client.blocking.Event", Napping)
    monkeypatch.setattr("jubako.client.awaiting.asyncio.sleep", nap)
    monkeypatch.setattr("jubako.client.configured.Attempts", partial(Attempts, chance=lambda: 0.0))
    return naps


def test_a_busy_server_is_asked_again_after_the_time_it_names(slept: list[float]) -> None:
    server = Busy(2)
    with client_of(server) as client:
        assert client.embed("a").tokens == 3
    assert len(server.bodies) == 3
    assert slept == [2.0, 2.0]


async def test_the_async_client_does_the_same(slept: list[float]) -> None:
    async with async_client_of(Busy(1)) as client:
        assert (await client.embed(["a"])).tokens == 3
    assert slept == [2.0]


def test_a_server_that_stays_busy_is_an_error(slept: list[float]) -> None:
    with client_of(Busy(9), retries=1) as client, pytest.raises(ServerError) as caught:
        client.embed("a")
    assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (429, "overloaded", 2.0)
    assert slept == [2.0]


def test_a_client_that_is_closed_waits_for_no_further_try() -> None:
    client = client_of(Busy(9, "30"))
    closing = Timer(0.1, client.close)
    closing.start()
    begin = monotonic()
    with pytest.raises(ServerError, match="overloaded"):
        client.embed("a")
    closing.join()
    assert monotonic() - begin < 5


def test_a_date_is_a_time_too(slept: list[float]) -> None:
    with client_of(Busy(1, "Wed, 21 Oct 2015 07:28:00 GMT")) as client:
        client.embed("a")
    assert slept == [0.0]


def test_nonsense_is_no_time(slept: list[float]) -> None:
    with client_of(Busy(1, "soon")) as client:
        client.embed("a")
    assert slept == [0.05]


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError])
def test_a_connection_that_breaks_is_opened_again(
    slept: list[float], error: Callable[[str], httpx.TransportError]
) -> None:
    failures = [error("broken")]

    def answer(request: httpx.Request) -> httpx.Response:
        if failures:
            raise failures.pop()
        return httpx.Response(200, json=GOOD)

    with client_of(answer) as client:
        assert client.embed("a").tokens == 3
    assert slept == [0.05]


def test_readiness_is_asked_once(slept: list[float]) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(503, json={"error": {"code": "not_ready", "message": "loading", "param": None}})

    with client_of(answer) as client:
        assert not client.ready()
    assert (asked, slept) == (["/readyz"], [])


async def test_a_body_that_drips_ends_with_the_time() -> None:
    both_left = asyncio.Barrier(3)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        await both_left.wait()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with Client(url, timeout_s=0.3) as client, pytest.raises(DeadlineError):
            await asyncio.to_thread(client.models)
        async with AsyncClient(url, timeout_s=0.3) as async_client:
            with pytest.raises(DeadlineError):
                await async_client.models()
        await asyncio.wait_for(both_left.wait(), 5)
