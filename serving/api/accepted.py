"""The requests that a worker has accepted: how many run, and how they are ended when it stops."""

import asyncio

from serving.api.asgi import App, Message, Receive, Scope, Send, send_answer
from serving.api.oip.http import teller
from serving.api.request_ids import answer_headers, request_id
from serving.errors import Code, JubakoError
from serving.telemetry.metrics import LoopMetrics


class Accepted:
    """ASGI application around a worker's, which knows the HTTP requests that run."""

    def __init__(self, inner: App) -> None:
        self.stopping = False
        """Once set, every answer closes its connection, so that the client's next request goes elsewhere."""
        self._inner = inner
        self._ended = False
        self._running: dict[asyncio.Task[None], _Answer] = {}
        self._metrics = LoopMetrics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        if scope["path"] == "/metrics":
            self._metrics.tasks(len(asyncio.all_tasks()))
        answer = _Answer(self, scope, send)
        if self._ended:
            await answer.refuse()
            return
        task = asyncio.current_task()
        assert task is not None
        self._running[task] = answer
        try:
            await self._inner(scope, receive, answer.send)
        except asyncio.CancelledError:
            if not self._ended or answer.begun:
                raise
            task.uncancel()
            await answer.refuse()
        finally:
            del self._running[task]

    def end(self) -> int:
        """Answer what runs, and what still comes, by 503; return how many requests run."""
        self._ended = True
        for task, answer in self._running.items():
            if not answer.begun:
                task.cancel()
        return len(self._running)


class _Answer:
    """The sending side of one request."""

    __slots__ = ("_accepted", "_headers", "_keeps_alive", "_path", "_send", "begun")

    def __init__(self, accepted: Accepted, scope: Scope, send: Send) -> None:
        self.begun = False
        self._accepted = accepted
        self._headers = scope["headers"]
        self._path = scope["path"]
        self._keeps_alive = scope["http_version"].startswith("1")  # HTTP/2 knows no such header
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            if self._accepted.stopping and self._keeps_alive:
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await self._send(message)

    async def refuse(self) -> None:
        message = "the server ends before it can answer; send the request again"
        answer = teller(self._path)(JubakoError(Code.NOT_READY, message, retry_after_s=1), None)
        await send_answer(self.send, answer, answer_headers(request_id(self._headers)))
