"""gRPC calls over HTTP/2 that cost little, for the same reason as `http_client`: the load shares the machine.

The library's calls cost the load process five times what its HTTP requests cost. Here is what a unary call needs and no
more (RFC 9113, RFC 7541, and gRPC's PROTOCOL-HTTP2): one connection, requests whose headers are a few indices into the
table that the first request filled, answers whose headers are not read. An answer that ends with a message is one; an
error has none.
"""

import asyncio
from collections import deque
from struct import Struct
from typing import cast

from loadtests.http_client import Owner
from loadtests.plan import LOST, Plan
from loadtests.summary import OK

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = Struct("!HBBBI")
"""Of a frame: length (24 bits), type, flags, stream."""
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
"""Identifier of a setting."""
WINDOW_BYTES = 65_535
"""That either side may send before it is told of more."""
FRAME_BYTES = 16_384
"""Largest payload of a frame."""
UNLIMITED = 2**31 - 1
INDEXED = bytes([0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62])
"""POST, http, and what the first request has put into the table: path, authority, te and content-type."""


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return one frame."""
    size = len(payload)
    return HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def first_headers(path: str, authority: str) -> bytes:
    """Return the header block that fills the table which `INDEXED` refers to."""
    named = [(b"\x44", path), (b"\x41", authority), (b"\x40\x02te", "trailers"), (b"\x5f", "application/grpc")]
    return b"\x83\x86" + b"".join(name + _string(value) for name, value in named)


def _string(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) >= 127:
        raise ValueError(f"{text!r} is too long for the one byte that its length is written in here")
    return bytes([len(encoded)]) + encoded


class Slot:
    """A line that makes one call at a time over a connection that it shares."""

    def __init__(self, connection: "Http2Connection") -> None:
        self.job = -1
        self.closing = False
        self.answered = False
        """Whether the call under way has had a message."""
        self._connection = connection

    def send(self, job: int, data: bytes) -> None:
        """Call with a message; the answer is reported to the owner."""
        self.job = job
        self.answered = False
        self._connection.call(self, data)

    def close(self) -> None:
        """Close the connection, for all slots."""
        self.closing = True
        self._connection.close()


class Http2Connection(asyncio.Protocol):
    """One connection and its slots; what is under way when it breaks is lost."""

    def __init__(self, owner: Owner, plan: Plan) -> None:
        self._owner = owner
        self._slots = [Slot(self) for _ in range(plan.connections)]
        self._headers = first_headers(plan.path, f"{plan.host}:{plan.port}")
        self._calls: dict[int, Slot] = {}
        self._next_stream = 1
        self._window = WINDOW_BYTES
        self._waiting: deque[tuple[Slot, bytes]] = deque()
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        settings = INITIAL_WINDOW_SIZE.to_bytes(2) + UNLIMITED.to_bytes(4)
        more = (UNLIMITED - WINDOW_BYTES).to_bytes(4)
        self._transport.write(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, more))
        for slot in self._slots:
            self._owner.opened(slot)

    def call(self, slot: Slot, data: bytes) -> None:
        """Make a call, or let it wait until the server takes more.

        Raises:
            ValueError: the message does not fit into one frame.
        """
        size = len(data) + 5
        if size > FRAME_BYTES:
            raise ValueError(f"a message of {len(data)} bytes does not fit into one frame")
        if size > self._window:
            self._waiting.append((slot, data))
            return
        assert self._transport is not None
        self._window -= size
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self._calls[stream] = slot
        headers, self._headers = self._headers, INDEXED
        message = b"\0" + len(data).to_bytes(4) + data
        self._transport.write(frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, END_STREAM, stream, message))

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        data = self._rest + data
        at, end = 0, len(data)
        while end - at >= HEAD.size:
            high, low, kind, flags, stream = HEAD.unpack_from(data, at)
            after = at + HEAD.size + (high << 8 | low)
            if after > end:
                break
            self._take(kind, flags, stream, data[at + HEAD.size : after])
            at = after
        self._rest = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        for slot in self._slots:
            slot.closing = True
        for slot in self._slots:
            if slot.job >= 0:
                self._owner.answered(slot, LOST)
            self._owner.closed(slot)

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        assert self._transport is not None
        slot = self._calls.get(stream)
        if slot is not None:
            slot.answered |= kind == DATA and len(payload) > 0
            if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
                del self._calls[stream]
                self._owner.answered(slot, OK if slot.answered and kind != RST_STREAM else LOST)
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload)
            waiting, self._waiting = self._waiting, deque()
            for waiter, message in waiting:
                self.call(waiter, message)
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self._transport.write(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == GOAWAY:
            self.close()
