"""How a worker starts and stops.

The server below (uvicorn) closes its listeners and idle connections as soon as a signal comes. That is too soon:
balancers still send requests, and a connection that was just accepted is closed before its first request is read. So
its signal handlers are called later, after the stages here, and then do what they do.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from time import monotonic
from types import FrameType
from typing import Protocol

from serving.api.accepted import Accepted
from serving.api.asgi import App, Message, Receive, Scope, Send
from serving.settings import Lifecycle as LifecycleSettings
from serving.worker.listening import Listener

logger = logging.getLogger("jubako.lifecycle")

SIGNALS = (signal.SIGTERM, signal.SIGINT)
LINGER_S = 0.5
"""Time in which what the kernel has accepted reaches the application, and first requests reach new connections: a round
trip around the world, or a pause of a client."""
SETTLE_S = 0.3
"""Time in which uvicorn closes its listeners after its handler was called: it looks ten times a second."""
LAST_S = 1.0
"""Time that the 503s at the limit have to reach their clients."""
REPEAT_S = 1.0
"""A signal that comes sooner after the first is taken for the same: systemd signals each process, and BentoML's
supervisor passes on what it gets itself."""

Handler = Callable[[int, FrameType | None], object]


class Resident(Protocol):
    """What lives and ends with a worker beside its HTTP server."""

    async def start(self) -> None:
        """Start; the models are loaded."""

    async def give_notice(self) -> None:
        """Say that the end is near, and return when nobody needs to come any more; all is still taken and answered."""

    async def drain(self, grace_s: float) -> None:
        """Take nothing new, and return when what was taken is answered, or after `grace_s`. May be called again."""


class Lifecycle:
    """ASGI application around a worker's, which leads it from its start to its end.

    At SIGTERM or SIGINT:

    1. The resident gives notice; answers close their connections; everything is still accepted and answered.
    2. Then nothing new is accepted, and what the kernel had accepted before is read.
    3. uvicorn ends: it closes idle connections, and others after their answer.
    4. At the limit, or at a second signal, what still runs gets 503 and the process ends.
    """

    def __init__(self, inner: App, resident: Resident, settings: LifecycleSettings) -> None:
        self._accepted = Accepted(inner)
        self._resident = resident
        self._limit_s = settings.drain_limit_ms / 1000
        self._listener: Listener | None = None
        self._uvicorns: dict[int, Handler] = {}
        self._stopping: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._stop_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope, or the worker's lifespan."""
        if scope["type"] != "lifespan":
            await self._accepted(scope, receive, send)
            return

        async def received() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._drain()
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._resident.start()
                self._listener = Listener.of_worker()
                self._take_signals()
            elif message["type"].startswith("lifespan.shutdown."):
                self._give_signals_back()
            await send(message)

        await self._accepted(scope, received, sending)

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def told(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._told, number)

        for number in SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                self._uvicorns[number] = handler
                signal.signal(number, told)

    def _give_signals_back(self) -> None:
        for number, handler in self._uvicorns.items():
            signal.signal(number, handler)

    def _told(self, number: int) -> None:
        if self._stopping is None:
            self._stop_at = monotonic()
            self._stopping = asyncio.create_task(self._stop(number))
            asyncio.get_running_loop().call_later(self._limit_s, self._end, "the drain limit has passed")
        elif monotonic() - self._stop_at > REPEAT_S:
            self._end("told to stop again")

    async def _stop(self, number: int) -> None:
        logger.info("told to stop; at most %g s from now on", self._limit_s)
        self._accepted.stopping = True
        await self._resident.give_notice()
        drained = self._drain()
        last = self._listener is not None and self._listener.leave()
        if self._listener is not None and last:
            self._listener.drop_new()
        await asyncio.sleep(LINGER_S)
        self._uvicorns[number](number, None)
        if self._listener is not None and last:
            await asyncio.sleep(SETTLE_S)
            self._listener.end()
        await drained

    def _drain(self) -> "asyncio.Task[None]":
        if self._draining is None:
            left_s = self._limit_s - (monotonic() - self._stop_at if self._stopping else 0)
            self._draining = asyncio.create_task(self._resident.drain(left_s))
        return self._draining

    def _end(self, why: str) -> None:
        """Answer what runs by 503, and end the process when those answers have had time to leave."""
        logger.warning("%s: %d requests get 503", why, self._accepted.end())
        self._draining = asyncio.create_task(self._resident.drain(0))
        asyncio.get_running_loop().call_later(LAST_S, _die)


def _die() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
