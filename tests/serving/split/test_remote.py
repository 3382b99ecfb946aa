import asyncio
from time import monotonic
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from serving.split.remote import Runner
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
    call = asyncio.create_task(runner.run("text", token_rows([[1, 2]]), monotonic() + 30))
    await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(call, 2)
    assert (socket.sent, runner.tokens_in_flight) == (2, 0)
