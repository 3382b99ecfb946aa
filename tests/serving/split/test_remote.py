import asyncio
from time import monotonic
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedError

from serving.errors import Code, JubakoError
from serving.rows import Finished
from serving.split.frames import pack_answer, unpack
from serving.split.remote import RESTART_S, RemoteBackend, Runner
from tests.serving.fakes import token_rows


class ClosingSocket:
    """Takes one message and is closed from then on."""

    def __init__(self) -> None:
        self.sent = 0

    async def send(self, message: bytes) -> None:
        self.sent += 1
        if self.sent > 1:
            raise ConnectionClosedError(None, None)


async def test_a_caller_that_leaves_while_the_connection_breaks_is_not_kept() -> None:
    runner = Runner("file:///nowhere")
    socket: Any = ClosingSocket()
    runner._socket = socket
    runner._reached.set()
    call = asyncio.create_task(runner.run("text", token_rows([[1, 2]]), monotonic() + 30))
    await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(call, 2)
    assert (socket.sent, runner.tokens_in_flight) == (2, 0)


class Answering:
    """Stands for a runner's connection: answers each request, or breaks with it."""

    def __init__(self, runner: Runner, breaks: bool = False) -> None:
        self.asked = 0
        self._runner = runner
        self._breaks = breaks

    async def send(self, message: bytes) -> None:
        self.asked += 1
        if self._breaks:
            self._runner._socket = None
            raise ConnectionClosedError(None, None)
        header, _ = unpack(message)
        done = Finished([np.ones(2, np.float32)] * len(header["tokens"]), 0.0, 0.0)
        asyncio.get_running_loop().call_soon(self._runner._settle, pack_answer(header["id"], done))


def runner_with(breaks: bool = False) -> tuple[Runner, Answering]:
    runner = Runner("file:///nowhere")
    socket: Any = Answering(runner, breaks)
    runner._socket = socket
    runner._reached.set()
    return runner, socket


async def ask(backend: RemoteBackend, seconds: float = 5.0) -> Finished:
    return await backend.run(token_rows([[1, 2]]), monotonic() + seconds)


async def test_what_a_lost_runner_leaves_goes_to_another() -> None:
    (first, broken), (second, sound) = runner_with(breaks=True), runner_with()
    backend = RemoteBackend("text:1", "text:1", [first, second])
    assert len((await ask(backend)).outputs) == 1
    assert (broken.asked, sound.asked) == (1, 1)
    await ask(backend)
    assert (broken.asked, sound.asked) == (1, 2), "one that is lost gets nothing"
    assert backend.last_success > 0


async def test_a_request_ends_no_more_than_two_runners() -> None:
    runners = [runner_with(breaks=True) for _ in range(3)]
    with pytest.raises(JubakoError) as raised:
        await ask(RemoteBackend("text:1", "text:1", [runner for runner, _ in runners]))
    assert (raised.value.code, raised.value.retry_after_s) == (Code.NOT_READY, RESTART_S)
    assert sorted(socket.asked for _, socket in runners) == [0, 1, 1]


async def test_without_a_runner_it_is_told_at_once_and_nothing_is_ready() -> None:
    runner, _ = runner_with()
    backend = RemoteBackend("text:1", "text:1", [runner])
    await ask(backend)
    assert backend.last_success > 0
    runner._socket = None
    assert backend.last_success == -float("inf")
    with pytest.raises(JubakoError) as raised:
        await asyncio.wait_for(ask(backend, seconds=30), 0.5)
    assert raised.value.code is Code.NOT_READY


async def test_a_runner_that_has_not_come_yet_is_waited_for_until_the_deadline() -> None:
    runner = Runner("file:///nowhere")
    backend = RemoteBackend("text:1", "text:1", [runner])
    with pytest.raises(JubakoError) as raised:
        await ask(backend, seconds=0.05)
    assert raised.value.code is Code.DEADLINE
    call = asyncio.create_task(ask(backend))
    await asyncio.sleep(0.01)
    socket: Any = Answering(runner)
    runner._socket = socket
    runner._reached.set()
    assert len((await call).outputs) == 1
