"""Requests as bytes, for what no client would send."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.e2e.conftest import Guarded

MIB = 2**20


@contextmanager
def connected(guarded: Guarded) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", guarded.server.port), timeout=20) as connection:
        yield connection


def exchanged(guarded: Guarded, raw: bytes) -> bytes:
    """Send bytes, and return all that comes until the server closes or says nothing more."""
    came: list[bytes] = []
    with connected(guarded) as connection, suppress(ConnectionError, TimeoutError):
        connection.settimeout(2)
        with suppress(ConnectionError):  # it may have answered before it has read everything
            connection.sendall(raw)
        while piece := connection.recv(65536):
            came.append(piece)
    return b"".join(came)


def request(guarded: Guarded, *headers: bytes, line: bytes = b"GET /models HTTP/1.1", body: bytes = b"") -> bytes:
    """Return a request with a key, as bytes."""
    own = [b"host: a", b"authorization: " + guarded.bearer("all")["authorization"].encode()]
    return b"\r\n".join([line, *own, *headers, b"", body])


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]
