"""Connections that are held by sending a little again and again."""

import socket
import time
from contextlib import suppress

import httpx

from tests.e2e.attacks.raw import connected, request
from tests.e2e.conftest import Guarded


def drip(guarded: Guarded, begin: bytes, drop: bytes, connections: int = 100) -> tuple[float, float, list[bytes]]:
    """Hold connections open by sending a little again and again, until the server has closed all of them.

    Returns the seconds that took, the slowest request of somebody else meanwhile, and what was answered.
    """
    held = [socket.create_connection(("127.0.0.1", guarded.server.port), timeout=20) for _ in range(connections)]
    answers: list[bytes] = []
    slowest, started = 0.0, time.monotonic()
    try:
        for connection in held:
            connection.sendall(begin)
        while held and time.monotonic() - started < 10:
            asked = time.monotonic()
            assert httpx.get(f"{guarded.server.url}/livez", timeout=5).status_code == 200
            slowest = max(slowest, time.monotonic() - asked)
            for connection in list(held):
                try:
                    connection.sendall(drop)
                    connection.setblocking(False)
                    answer = connection.recv(4096)
                    answers.append(answer)
                except BlockingIOError:
                    connection.setblocking(True)
                    continue
                except OSError:
                    answers.append(b"")
                held.remove(connection)
                connection.close()
            time.sleep(0.1)
    finally:
        for connection in held:
            connection.close()
    assert not held, f"{len(held)} connections are still open"
    return time.monotonic() - started, slowest, answers


def test_heads_that_trickle_are_given_up_and_keep_nobody_out(guarded: Guarded) -> None:
    seconds, slowest, answers = drip(guarded, b"GET /models HTTP/1.1\r\nhost: a\r\n", b"x-a: b\r\n")
    assert 1.0 < seconds < 5
    assert slowest < 1
    assert {answer[:12] for answer in answers} <= {b"HTTP/1.1 408", b""}


def test_bodies_that_trickle_are_given_up_and_keep_nobody_out(guarded: Guarded) -> None:
    length = b"content-length: 100000"
    begin = request(guarded, length, line=b"POST /embed HTTP/1.1")
    seconds, slowest, answers = drip(guarded, begin, b" ")
    assert 1.0 < seconds < 5
    assert slowest < 1
    assert {answer[:12] for answer in answers} <= {b"HTTP/1.1 408", b""}
    chunked = request(guarded, b"transfer-encoding: chunked", line=b"POST /embed HTTP/1.1")
    assert drip(guarded, chunked, b"1\r\n \r\n")[0] < 5


def test_so_is_a_body_after_its_request_was_refused(guarded: Guarded) -> None:
    begin = b"POST /embed HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n"
    with connected(guarded) as connection:
        connection.sendall(begin)
        assert b"401" in connection.recv(65536)
        give_up = time.monotonic() + 5
        with suppress(ConnectionError):
            while time.monotonic() < give_up:
                connection.sendall(b" ")
                time.sleep(0.05)
    assert time.monotonic() < give_up


def test_connections_that_say_nothing_are_closed_over_both_protocols(guarded: Guarded) -> None:
    for port in (guarded.server.port, guarded.server.grpc_port):
        with socket.create_connection(("127.0.0.1", port), timeout=6) as connection:
            begin = time.monotonic()
            while connection.recv(4096):
                pass
            assert 1.0 < time.monotonic() - begin < 5
