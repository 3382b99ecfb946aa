"""Requests that two servers would read differently, and other protocols than HTTP/1.1."""

import ssl

import pytest

from tests.e2e.attacks.raw import connected, exchanged, request, statuses
from tests.e2e.conftest import Guarded

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
SMUGGLERS = {
    "both lengths, the content's first": (b"content-length: 6", b"transfer-encoding: chunked"),
    "both lengths, the chunks' first": (b"transfer-encoding: chunked", b"content-length: 6"),
    "two content lengths": (b"content-length: 2", b"content-length: %d" % len(SMUGGLED)),
    "a list of lengths": (b"content-length: 2, %d" % len(SMUGGLED),),
    "a length with a sign": (b"content-length: +2",),
    "a length in hexadecimal": (b"content-length: 0x2",),
    "a space before the colon": (b"content-length : 2",),
    "an unknown coding": (b"transfer-encoding: xchunked",),
    "chunked not at the end": (b"transfer-encoding: chunked, identity",),
    "chunked twice over": (b"transfer-encoding: chunked", b"transfer-encoding: identity"),
    "a tab before it": (b"transfer-encoding:\x0bchunked",),
    "folded": (b"transfer-encoding:\r\n chunked", b"content-length: 6"),
    "a bare line feed": (b"x: y\ntransfer-encoding: chunked", b"content-length: 6"),
}


@pytest.mark.parametrize("headers", SMUGGLERS.values(), ids=list(SMUGGLERS))
def test_a_request_whose_end_is_in_doubt_hides_no_other(guarded: Guarded, headers: tuple[bytes, ...]) -> None:
    """Were the two read differently here and at a proxy, the second would pass the proxy unseen."""
    raw = request(guarded, *headers, line=b"POST /embed HTTP/1.1", body=b"0\r\n\r\n" + SMUGGLED)
    answers = statuses(exchanged(guarded, raw))
    assert answers in ([400], [408], []), answers
    assert "/smuggled" not in guarded.server.log.read_text()


OTHERS = {
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "a proxy's request": b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n",
    "another site's address": b"GET http://example.org/ HTTP/1.1\r\nhost: example.org\r\nconnection: close\r\n\r\n",
    "a websocket": b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                   b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n",
    "an upgrade to HTTP/2": b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    "a method that is none": b"HARM / HTTP/1.1\r\nhost: a\r\n\r\n",
    "TRACE": b"TRACE /embed HTTP/1.1\r\nhost: a\r\ncookie: secret\r\nconnection: close\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("raw", OTHERS.values(), ids=list(OTHERS))
def test_other_protocols_and_methods_open_nothing(guarded: Guarded, raw: bytes) -> None:
    answer = exchanged(guarded, raw)
    assert set(statuses(answer)) <= {400, 401, 403, 408}
    assert b"secret" not in answer


def test_a_server_without_tls_does_not_answer_a_handshake(guarded: Guarded) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connected(guarded) as connection, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(connection)
