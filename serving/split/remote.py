"""The front's end: backends whose scheduler is in a runner process."""

import asyncio
import itertools
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any
from urllib.parse import unquote, urlsplit

from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bundle.errors import BundleError
from features.rows import FeatureRow
from serving.errors import Code, JubakoError
from serving.rows import Finished
from serving.split.frames import pack, pack_hold, pack_request, unpack, unpack_answer
from serving.split.runner import ROWS_PATH
from serving.telemetry.request_context import CURRENT
from serving.telemetry.spans import Carrier, carrier_of

logger = logging.getLogger("jubako.remote")

RECONNECT_S = 0.2
"""Pause before another try to reach a runner that is restarting."""
MAX_MESSAGE_BYTES = 256 * 1024 * 1024


RESTART_S = 2
"""What callers are told to wait while no runner is connected: a runner needs some seconds to come back."""


TRIES = 2
"""Runners that a request is given to, one after the other."""


class RunnerLost(Exception):
    """The runner is not connected, or went away before it had answered."""


class Runner:
    """One connection to one runner, shared by all models, made at the start and again when it breaks."""

    def __init__(self, url: str) -> None:
        self.tokens_in_flight = 0
        self.fullness = 0.0
        """Of the queue of the last answer, as it was then."""
        self.held: set[str] = set()
        """Tags that this front needs; the runner is told at each connection, since it may have been restarted."""
        self.refused: Mapping[str, str] = {}
        """Those of them that the runner does not serve, and why."""
        self.url = url
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Finished]] = {}
        self._holding: dict[int, asyncio.Future[Mapping[str, str]]] = {}
        self._connecting = asyncio.Lock()
        self._socket: ClientConnection | None = None
        self._reached = asyncio.Event()
        """Set from the first connection on."""
        self._reader: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether requests can be sent now."""
        return self._socket is not None

    @property
    def lost(self) -> bool:
        """Whether the runner was there and has gone away; one that was not there yet is worth waiting for."""
        return self._socket is None and self._reached.is_set()

    async def run(self, model: str, rows: Sequence[FeatureRow], deadline: float) -> Finished:
        """Have rows computed before `deadline`, a time of `time.monotonic`.

        Raises:
            RunnerLost: whether the rows were computed is not known.
            JubakoError: what the runner refused them with, or `deadline`.
        """
        tokens = sum(row.tokens for row in rows)
        self.tokens_in_flight += tokens
        try:
            async with asyncio.timeout(deadline - monotonic()):
                await self._reached.wait()
                if self._socket is None:
                    raise RunnerLost
                return await self._try(self._socket, model, rows, deadline)
        except TimeoutError as error:
            raise JubakoError(Code.DEADLINE, "the deadline passed before the answer was ready") from error
        except (ConnectionError, ConnectionClosed) as error:
            raise RunnerLost from error
        finally:
            self.tokens_in_flight -= tokens

    async def hold(self, tag: str) -> None:
        """Have the runner load a version, and keep it until it is taken from `held`; waits for a runner that restarts.

        Raises:
            BundleError: the runner cannot serve it; it is not held then.
        """
        self.held.add(tag)
        try:
            refused = await self._told_what_is_held()
        except asyncio.CancelledError:
            self.held.discard(tag)
            raise
        if tag in refused:
            self.held.discard(tag)
            raise BundleError(f"{tag}: a runner refuses it: {refused[tag]}")

    async def tell(self) -> None:
        """Tell the runner what is held, unless it is away: then it is told when it comes back."""
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await self._socket.send(pack_hold(next(self._numbers), self.held))

    async def keep(self) -> None:
        """Connect, and connect again when the connection breaks, until this is cancelled.

        A connection that is first made when it is needed may come too late: BentoML's supervisor removes the runner's
        socket file when it is told to stop, while fronts still answer.
        """
        while True:
            with suppress(InvalidHandshake, OSError):  # the runner is still starting
                await self._connected()
            if self._reader is not None:
                await asyncio.wait([self._reader])
            await asyncio.sleep(RECONNECT_S)

    def leave(self, tag: str) -> None:
        """Need a version no longer, and with the last one drop the connection. The runner learns by `tell`."""
        self.held.discard(tag)
        if not self.held and self._reader is not None:
            self._reader.cancel()

    async def _told_what_is_held(self) -> Mapping[str, str]:
        """Tell the runner what is held until it has answered; return which of it it refuses, and why."""
        while True:
            try:
                socket = await self._connected()
                number = next(self._numbers)
                future: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()
                self._holding[number] = future
                try:
                    await socket.send(pack_hold(number, self.held))
                    return await future
                finally:
                    del self._holding[number]
            except (ConnectionError, ConnectionClosed, InvalidHandshake, OSError):
                await asyncio.sleep(RECONNECT_S)

    async def _try(self, socket: ClientConnection, model: str, rows: Sequence[FeatureRow], deadline: float) -> Finished:
        number = next(self._numbers)
        future: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await socket.send(pack_request(number, model, rows, deadline - monotonic(), _trace()))
            return await future
        except asyncio.CancelledError:
            with suppress(ConnectionClosed):  # it is gone, and the request with it
                await socket.send(pack({"id": number, "cancel": True}))
            raise
        finally:
            del self._waiting[number]

    async def _connected(self) -> ClientConnection:
        async with self._connecting:
            if self._socket is None:
                self._socket = await _open(self.url)
                self._reached.set()
                self._reader = asyncio.create_task(self._read(self._socket))
                await self._socket.send(pack_hold(next(self._numbers), self.held))
            return self._socket

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                assert isinstance(message, bytes)
                self._settle(message)
        except ConnectionClosed:
            pass
        finally:
            self._socket = None
            futures: list[asyncio.Future[Any]] = [*self._waiting.values(), *self._holding.values()]
            for future in futures:
                if not future.done():
                    future.set_exception(ConnectionResetError("the runner is gone"))

    def _settle(self, message: bytes) -> None:
        header, payload = unpack(message)
        if "refused" in header:
            self._note_refused(header["id"], header["refused"])
            return
        self.fullness = header.get("fullness", self.fullness)
        future = self._waiting.get(header["id"])
        if future is None or future.done():
            return
        try:
            future.set_result(unpack_answer(header, payload))
        except JubakoError as error:
            future.set_exception(error)

    def _note_refused(self, number: int, refused: Mapping[str, str]) -> None:
        for tag in refused.keys() - self.refused.keys():
            logger.error("runner %s does not serve %s: %s", self.url, tag, refused[tag])
        self.refused = refused
        future = self._holding.get(number)
        if future is not None and not future.done():
            future.set_result(refused)


class RemoteBackend:
    """One encoder on one or more runners; each request goes to the runner with the fewest tokens in flight.

    A runner that cannot serve the version, as one may find that is restarted, gets none while another can. What one
    leaves unanswered goes to another, once: a request that ends two runners would end every other as well.
    """

    def __init__(self, tag: str, name: str, runners: Sequence[Runner]) -> None:
        self._succeeded = -float("inf")
        self._tag = tag
        self._name = name
        self._runners = runners
        for runner in runners:
            runner.held.add(tag)

    @property
    def last_success(self) -> float:
        """Time, by `time.monotonic`, at which rows were last computed; never, while no runner could compute others."""
        return self._succeeded if any(runner.connected for runner in self._runners) else -float("inf")

    @property
    def fullness(self) -> float:
        """How much of its bound the fullest runner's queue held at its last answer."""
        return max(runner.fullness for runner in self._runners)

    def refuse_if_full(self) -> None:
        """Leave it to the runner, which knows its queue."""

    async def run(self, rows: Sequence[FeatureRow], deadline: float) -> Finished:
        """Compute rows before `deadline`, a time of `time.monotonic`.

        Raises:
            JubakoError: `not_ready`, when the runner went away and no other could take its place, or none is there;
                else as `Scheduler.run`.
        """
        there = sorted(
            (runner for runner in self._runners if not runner.lost),
            key=lambda runner: (self._tag in runner.refused, runner.tokens_in_flight),
        )
        for runner in there[:TRIES]:
            try:
                done = await runner.run(self._name, rows, deadline)
            except RunnerLost:
                logger.warning("runner %s went away before it had answered", runner.url)
            else:
                self._succeeded = monotonic()
                return done
        why = "no runner is there that could compute this" if not there else "the runner went away and starts again"
        raise JubakoError(Code.NOT_READY, f"{why}; retry after the given time", retry_after_s=RESTART_S)

    def close(self) -> None:
        """Need the version no longer, which the runners are told by `Runner.tell`."""
        for runner in self._runners:
            runner.leave(self._tag)


def _trace() -> Carrier | None:
    """Return what the runner continues the request's trace by, None where it is not recorded."""
    context = CURRENT.get()
    return None if context is None or context.span is None else carrier_of(context.span)


async def _open(url: str) -> ClientConnection:
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = unquote(parts.path)
        return await unix_connect(
            path, f"ws://runner{ROWS_PATH}", compression=None, max_size=MAX_MESSAGE_BYTES, proxy=None
        )
    return await connect(f"ws://{parts.netloc}{ROWS_PATH}", compression=None, max_size=MAX_MESSAGE_BYTES, proxy=None)
