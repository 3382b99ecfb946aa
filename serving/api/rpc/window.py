"""How much of a stream may be on its way at once, and what its requests do while the queue is full."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from serving.errors import Code, JubakoError

FIRST_ROWS = 256
LEAST_ROWS = 8
STEP = 0.25
"""Share of a request's rows by which the window grows or shrinks when it is answered: a quarter in a round trip."""

AnswerT = TypeVar("AnswerT")


class Window:
    """Rows of one stream that may be on their way.

    It grows while requests are answered within `wait_s` and shrinks while they take longer, so that it comes to what
    the device does in that time: enough to keep it busy, and no more of the queue than that.
    """

    def __init__(self, most_rows: int, wait_s: float) -> None:
        self.rows = float(min(FIRST_ROWS, most_rows))
        self.held = 0
        self._most_rows = most_rows
        self._wait_s = wait_s
        self._left = asyncio.Event()

    async def enter(self, rows: int) -> None:
        """Wait until there is room; a request larger than the window has room when it is alone."""
        while self.held and self.held + rows > self.rows:
            self._left.clear()
            await self._left.wait()
        self.held += rows

    def leave(self, rows: int) -> None:
        """Give back the room of a request whose answer was sent."""
        self.held -= rows
        self._left.set()

    def answered(self, rows: int, seconds: float) -> None:
        """Learn from how long a request took."""
        step = STEP * rows
        grown = self.rows + (step if seconds <= self._wait_s else -step)
        self.rows = min(max(grown, LEAST_ROWS), self._most_rows)


class Patience:
    """Waits out a full queue for the requests of one stream.

    One that was refused tries again when as many rows of the stream were answered, since those left room behind, or at
    the latest when it was told to.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def ask(self, work: Callable[[], Awaitable[AnswerT]], rows: int, deadline: float) -> AnswerT:
        """Return what `work` gives for a request of so many rows.

        Raises:
            JubakoError: that of `work`; `overloaded` only when `deadline`, a time of `time.monotonic`, has passed.
        """
        while True:
            try:
                answer = await work()
            except JubakoError as error:
                if error.code is not Code.OVERLOADED or monotonic() >= deadline:
                    raise
                await self._wait(rows, min(error.retry_after_s or 1.0, deadline - monotonic()))
            else:
                self._make_room(rows)
                return answer

    async def _wait(self, rows: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        room: asyncio.Future[None] = loop.create_future()
        waiter = (rows, room)
        self._waiting.append(waiter)
        timer = loop.call_later(seconds, _wake, room)
        try:
            await room
        finally:
            timer.cancel()
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def _make_room(self, rows: int) -> None:
        while rows > 0 and self._waiting:
            waiting, room = self._waiting.popleft()
            _wake(room)
            rows -= waiting


def _wake(room: asyncio.Future[None]) -> None:
    if not room.done():
        room.set_result(None)
