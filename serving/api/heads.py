"""A bound on the heads of HTTP requests: how long one may take to arrive, and how large it may be. So for trailers.

uvicorn has neither: a connection that sends a byte a minute, or a header without an end, is held for ever. Here is its
own protocol class with a timer and a count. The class is set in uvicorn's configuration, which is reached by the way
that uvicorn's server itself offers: it is whose handler SIGTERM calls.
"""

import asyncio
import math
import signal
from asyncio import TimerHandle
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.settings import Limits

Refusal = tuple[int, str]
SLOW: Refusal = (408, "Request Timeout")
LARGE: Refusal = (431, "Request Header Fields Too Large")
MOST_FRAMING = 8
"""Bytes on the wire for each byte of a body, at the most: in chunks of one byte it is six."""


KEEP_ALIVE_S = 5
"""uvicorn's own, where `bentoml serve --timeout-keep-alive` sets none."""


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, where a head arrives in time and within its size, or its connection is closed.

    The timer runs while nothing is being answered and no head is whole: from the connection's first moment, from the
    first byte of a next request, and after an answer that came before its request's body was whole.
    """

    head_s = 10.0
    max_head_bytes = 64 * 1024

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._timer: TimerHandle | None = None
        self._begun = False
        self._head_bytes = 0
        self._received = 0
        self._too_large = False
        self._in_body = False
        self._body_bytes = 0
        self._wire_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, which has to send a head."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Take what came, and look whether a head is still awaited."""
        self._received = len(data)
        super().data_received(data)
        if self not in self.connections:  # it is a websocket now, or lost
            return
        if self._begun:
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head_bytes:
                self._refuse(LARGE)
        if self._in_body:  # what is no body is chunks' extensions, or trailers, which the parser keeps
            self._wire_bytes += len(data)
            if self._wire_bytes > 2 * self.max_head_bytes + MOST_FRAMING * self._body_bytes:
                self._too_large = not self.cycle.response_started
                self._refuse(LARGE)
        idle = self.cycle is None or self.cycle.response_complete
        if self._timer is None and (self._begun or (idle and self.timeout_keep_alive_task is None)):
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the timer go."""
        self._stop_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Note that a head has begun."""
        super().on_message_begin()
        self._begun = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Note that it is whole.

        Raises:
            ValueError: it is too large; what parses it gives up then.
        """
        self._begun, self._in_body = False, True
        self._body_bytes = self._wire_bytes = 0
        self._stop_timer()
        # a head that came in one piece has not been counted
        if self._received > self.max_head_bytes and self._size() > self.max_head_bytes:
            self._too_large = True
            raise ValueError("the head is too large")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what is body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that nothing more of it comes."""
        self._in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Tell what could not be parsed, and close the connection."""
        if self._too_large:
            self._refuse(LARGE)
        else:
            super().send_400_response(msg)

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.head_s, self._timed_out)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timed_out(self) -> None:
        self._timer = None
        self._refuse(SLOW)

    def _refuse(self, refusal: Refusal) -> None:
        """Close the connection, with an answer where one is awaited."""
        if self.transport.is_closing():
            return
        if self._begun or self._too_large:
            line = b"HTTP/1.1 %d %b\r\n" % (refusal[0], refusal[1].encode())
            self.transport.write(line + b"connection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.close()


def bound_heads(limits: Limits) -> bool:
    """Have the uvicorn of this worker use `BoundedHeads`; return whether it was found.

    To be called before it listens, in its lifespan. It is not found where something else than BentoML's worker runs the
    application, as in tests.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not isinstance(server, uvicorn.Server) or not issubclass(server.config.http_protocol_class, HttpToolsProtocol):
        return False
    bounds = {"head_s": limits.head_ms / 1e3, "max_head_bytes": limits.max_head_bytes}
    if server.config.timeout_keep_alive == KEEP_ALIVE_S:
        server.config.timeout_keep_alive = math.ceil(limits.keep_alive_ms / 1e3)
    server.config.http_protocol_class = type("BoundedHeads", (BoundedHeads,), bounds)
    return True
