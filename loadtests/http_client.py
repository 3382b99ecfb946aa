"""Keep-alive HTTP/1.1 connections that cost little.

The load shares the machine with the server it measures, so whatever it spends distorts the result. A connection here
is a raw asyncio protocol with a C parser and no task, future or header table; bodies are thrown away.
"""

import asyncio
from typing import Protocol, cast

import httptools

from loadtests.plan import LOST


class Line(Protocol):
    """What carries at most one request at a time: a connection, or a client of one that is shared."""

    job: int
    """The owner's number for the request under way; -1 when there is none."""
    closing: bool

    def send(self, job: int, data: bytes) -> None:
        """Send a request; the answer is reported to the owner."""

    def close(self) -> None:
        """Close the line."""


class Owner(Protocol):
    """Who is told what becomes of a line."""

    def opened(self, line: Line) -> None:
        """Take a line that can carry a request now."""

    def answered(self, line: Line, status: int) -> None:
        """Take the answer to the request under way; the line is free again unless it is `closing`."""

    def closed(self, line: Line) -> None:
        """Let go of a line; a request under way on it has been reported as lost before."""


class Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, owner: Owner) -> None:
        self.job = -1
        self.closing = False
        self._owner = owner
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None

    def send(self, job: int, data: bytes) -> None:
        """Send a request; the answer is reported to the owner."""
        assert self._transport is not None
        assert self.job < 0
        self.job = job
        self._transport.write(data)

    def close(self) -> None:
        """Close the connection."""
        self.closing = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_message_complete(self) -> None:
        """Called by the parser at the end of an answer."""
        if not self._parser.should_keep_alive():
            self.close()
        self._owner.answered(self, self._parser.get_status_code())

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.closing = True
        if self.job >= 0:
            self._owner.answered(self, LOST)
        self._owner.closed(self)
