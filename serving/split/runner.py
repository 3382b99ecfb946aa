"""The runner's end: a websocket on which fronts send rows and get vectors."""

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic, perf_counter
from typing import Any

from opentelemetry.trace import Tracer

from serving.api.asgi import App, Receive, Scope, Send
from serving.errors import Code, JubakoError
from serving.rows import Finished
from serving.scheduler import Backend
from serving.split.frames import pack_answer, pack_error, pack_held, unpack, unpack_rows
from serving.split.shelf import Shelf
from serving.telemetry.request_context import Stage, computed_stages
from serving.telemetry.spans import begin_span, configured_tracer, end_span

logger = logging.getLogger("jubako.runner")

ROWS_PATH = "/rows"


class RowsEndpoint:
    """ASGI application: the websocket at `/rows`; every other scope goes through to BentoML."""

    def __init__(self, inner: App) -> None:
        self.shelf: Shelf | None = None
        """The versions that are loaded; set once the first ones are, before a front can connect."""
        self.left = asyncio.Event()
        """Set while no front is connected."""
        self._inner = inner
        self._fronts = 0
        self._tracer = configured_tracer()
        self.left.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] != "websocket" or scope["path"] != ROWS_PATH:
            await self._inner(scope, receive, send)
            return
        self._fronts += 1
        self.left.clear()
        try:
            await receive()
            await send({"type": "websocket.accept"})
            assert self.shelf is not None
            await _Connection(self.shelf, send, self._tracer).serve(receive)
        finally:
            self._fronts -= 1
            if not self._fronts:
                self.left.set()


class _Connection:
    """One front. Its requests run side by side; those still running when it leaves are abandoned."""

    def __init__(self, shelf: Shelf, send: Send, tracer: Tracer | None) -> None:
        self._shelf = shelf
        self._send = send
        self._tracer = tracer
        self._running: dict[int, asyncio.Task[None]] = {}

    async def serve(self, receive: Receive) -> None:
        try:
            while (message := await receive())["type"] == "websocket.receive":
                self._take(message["bytes"])
        finally:
            for task in self._running.values():
                task.cancel()
            self._shelf.leave(self)

    def _take(self, message: bytes) -> None:
        header, payload = unpack(message)
        number = header["id"]
        if header.get("cancel"):
            if task := self._running.get(number):
                task.cancel()
            return
        work = self._hold(number, header["hold"]) if "hold" in header else self._answer(number, header, payload)
        task = asyncio.create_task(work)
        self._running[number] = task
        task.add_done_callback(lambda _: self._running.pop(number, None))

    async def _answer(self, number: int, header: dict[str, Any], payload: memoryview) -> None:
        try:
            deadline = monotonic() + header["timeout_s"]
            backend = await self._shelf.backend(header["model"])
            done = await self._traced(backend, header, payload, deadline)
            answer = pack_answer(number, done, backend.fullness)
        except JubakoError as error:
            answer = pack_error(number, error)
        except Exception:
            logger.exception("a request from a front failed")
            answer = pack_error(number, JubakoError(Code.FAILED, "an internal error; the runner's log has its trace"))
        await self._send({"type": "websocket.send", "bytes": answer})

    async def _hold(self, number: int, tags: list[str]) -> None:
        refused = await self._shelf.hold(self, tags)
        await self._send({"type": "websocket.send", "bytes": pack_held(number, refused)})

    async def _traced(self, backend: Backend, header: dict[str, Any], payload: memoryview, deadline: float) -> Finished:
        """Compute a request's rows, in a span of the front's trace where it has one."""
        tracer, carrier, rows = self._tracer, header.get("trace"), unpack_rows(header, payload)
        if tracer is None or carrier is None:
            return await backend.run(rows, deadline)
        span = begin_span(tracer, "runner", carrier, {"jubako.backend": header["model"]})
        span.set_attributes({"jubako.rows": len(header["tokens"]), "jubako.tokens": sum(header["tokens"])})
        stages: Sequence[Stage] = ()
        begin, failed = perf_counter(), True
        try:
            done = await backend.run(rows, deadline)
            stages, failed = computed_stages(begin, done.queue_s, done.compute_s, done.batch_rows), False
        except JubakoError as error:
            span.set_attribute("error.type", error.code.value)
            raise
        finally:
            end_span(tracer, span, stages, failed=failed)
        return done
