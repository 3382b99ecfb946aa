"""What somebody sends who means harm, to a real server: it is refused with an error that is expected, costs little, and
the server answers others meanwhile and afterwards."""

import gzip
import json
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc
import httpx
import pytest
import zstandard

from tests.e2e.conftest import Guarded
from wire._generated import encoder_pb2 as pb
from wire._generated.encoder_pb2_grpc import EncoderStub

MIB = 2**20
PASSWD = "/etc/passwd"
TRAVERSALS = [
    f"../../../..{PASSWD}", f"..%2f..%2f..%2f..{PASSWD}", "%2e%2e/%2e%2e/etc/passwd", f"..\\..\\..{PASSWD}", PASSWD,
    f"....//....//{PASSWD}",
    "..%c0%af..%c0%afetc/passwd", "tiny/../../../manifest.json", "tiny%00.json", "..", ".", "~root",
    "file:///etc/passwd", "tiny:1/../../x", "%252e%252e%252fetc%252fpasswd",
]  # fmt: skip
INJECTED = "set-cookie: harm=1"


@pytest.fixture(autouse=True)
def unharmed(guarded: Guarded) -> Iterator[None]:
    """After each attack the server answers, and has said nothing of a fault of its own."""
    before = len(guarded.server.log.read_text())
    yield
    answer = httpx.post(f"{guarded.server.url}/embed", json={"inputs": ["rice"]}, headers=guarded.bearer("all"))
    assert answer.status_code == 200
    told = guarded.server.log.read_text()[before:]
    assert "Traceback" not in told, told


@pytest.fixture
def client(guarded: Guarded) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.server.url, headers=guarded.bearer("all"), timeout=30) as client:
        yield client


@pytest.fixture
def stub(guarded: Guarded) -> Iterator[Any]:
    with grpc.insecure_channel(guarded.server.grpc_address) as channel:
        yield EncoderStub(channel)


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


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_name_leads_out_of_the_models(client: httpx.Client, guarded: Guarded, stub: Any, name: str) -> None:
    line = f"GET /models/{name} HTTP/1.1".encode()
    raw = [exchanged(guarded, request(guarded, b"connection: close", line=line.replace(b"/models/", root)))
           for root in (b"/models/", b"/v2/models/", b"/static_content/", b"/")]  # fmt: skip
    asked = [
        client.post("/embed", json={"model": name, "inputs": ["a"]}),
        client.post("/recommend", json={"model": name}),
        client.post("/v2/models/tiny/infer", json={"model_name": name, "inputs": []}),
        client.post("/v2/models/tiny/infer", json={"model_version": name, "inputs": []}),
    ]
    for answer in asked:
        assert answer.status_code in (404, 422), answer.text
    for answers in raw:
        assert set(statuses(answers)) <= {400, 401, 404}, answers
        assert b"root:" not in answers
        assert b'"manifest"' not in answers
    with pytest.raises(grpc.RpcError) as caught:
        stub.Embed(
            pb.EmbedRequest(inputs=[pb.Input(text="a")], options=pb.EmbedOptions(model=name)),
            metadata=list(guarded.bearer("all").items()),
        )
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


BREAKS = {
    "crlf": b"\r\n",
    "lf": b"\n",
    "cr": b"\r",
    "null": b"\0",
    "folded": b"\r\n ",
    "utf-8": "\u560d\u560a".encode(),
}


@pytest.mark.parametrize("name", [b"x-request-id", b"traceparent", b"tracestate", b"origin", b"x-request-timeout-ms"])
@pytest.mark.parametrize("between", BREAKS.values(), ids=list(BREAKS))
def test_no_header_makes_another_one(guarded: Guarded, name: bytes, between: bytes) -> None:
    value = b"order" + between + INJECTED.encode()
    answer = exchanged(guarded, request(guarded, name + b": " + value, b"connection: close"))
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert INJECTED.encode() not in head
    assert statuses(answer)[:1] in ([200], [400], [422])


@pytest.mark.parametrize("between", ["\r\n", "\n", "\r", "\u2028", "\x1b[2J", "\0"], ids=repr)
def test_what_is_echoed_in_an_error_stays_in_it_and_out_of_the_log(
    client: httpx.Client, guarded: Guarded, stub: Any, between: str
) -> None:
    harm = f"bookz{between}{INJECTED}{between}FORGED line"
    answers = [
        client.post("/embed", json={"model": harm, "inputs": ["a"]}),
        client.post("/embed", json={harm: 1, "inputs": ["a"]}),
        client.post("/embed", json={"inputs": ["a"], "prompt": harm}),
        client.get("/models/" + harm.encode().hex("%").join(["%", ""])),
    ]
    for answer in answers:
        assert answer.status_code in (404, 422)
        assert "set-cookie" not in answer.headers
        assert answer.json()["error"]["code"] in ("unknown_model", "invalid_value")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Embed(
            pb.EmbedRequest(inputs=[pb.Input(text="a")], options=pb.EmbedOptions(model=harm)),
            metadata=list(guarded.bearer("all").items()),
        )
    assert "set-cookie" not in dict(caught.value.trailing_metadata())
    guarded.server.await_log("/models/bookz%")
    log = guarded.server.log.read_text()
    assert not re.search(r"^(\x1b\[2J)?(set-cookie|FORGED)", log, flags=re.MULTILINE)
    assert "\x1b[2J" not in log


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 9),
    "deflate": lambda data: zlib.compress(data, 9),
    "zstd": lambda data: zstandard.ZstdCompressor(level=3).compress(data),
}


@pytest.mark.parametrize("coding", BOMBS)
def test_a_compressed_body_costs_no_more_memory_than_a_large_one(
    client: httpx.Client, guarded: Guarded, coding: str
) -> None:
    bomb = BOMBS[coding](bytes(300 * MIB))
    for path in ("/embed", "/classify", "/v2/models/tiny/infer"):
        client.post(path, content=bomb, headers={"content-encoding": coding})
    before = guarded.server.memory_bytes()
    for path in ("/embed", "/classify", "/v2/models/tiny/infer"):
        answer = client.post(path, content=bomb, headers={"content-encoding": coding})
        assert answer.status_code == 413
    assert guarded.server.memory_bytes() - before < 40 * MIB
    twice = client.post("/embed", content=BOMBS[coding](bomb), headers={"content-encoding": f"{coding}, {coding}"})
    assert twice.status_code == 415


def test_so_does_a_compressed_message_over_grpc(guarded: Guarded) -> None:
    with grpc.insecure_channel(guarded.server.grpc_address) as channel:
        call = channel.unary_unary("/jubako.v1.Encoder/Embed")
        before = guarded.server.memory_bytes()
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as caught:
                call(bytes(200 * MIB), compression=grpc.Compression.Gzip, metadata=list(guarded.bearer("all").items()))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert guarded.server.memory_bytes() - before < 60 * MIB


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


DEEP = {
    "lists": b"[" * 500_000,
    "objects": b'{"a":' * 100_000,
    "closed lists": b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a deep record": b'{"inputs": [' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"]}",
    "deep filters": b'{"filters": ' + b'{"any":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
}


@pytest.mark.parametrize("path", ["/embed", "/classify", "/recommend", "/v1/embeddings", "/v2/models/tiny/infer"])
@pytest.mark.parametrize("body", DEEP.values(), ids=list(DEEP))
def test_deep_json_is_malformed(client: httpx.Client, path: str, body: bytes) -> None:
    answer = client.post(path, content=body)
    assert answer.status_code == 400, answer.text


def test_so_is_deep_json_within_a_tensor(client: httpx.Client) -> None:
    deep = "[" * 100_000
    options = {"candidate_labels": deep}
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    answer = client.post("/v2/models/tiny/infer", json={"inputs": [tensor], "parameters": options})
    assert answer.status_code == 422


NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999999",
    "1" * 5000,
    "-1" + "0" * 4000,
    "9223372036854775808",
    "1e400",
    "0x10",
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:12])
def test_numbers_that_are_none_or_too_large_are_refused(client: httpx.Client, number: str) -> None:
    bodies = {
        "/embed": f'{{"inputs": ["a"], "dimensions": {number}}}',
        "/classify": f'{{"inputs": ["a"], "candidate_labels": ["b", "c"], "threshold": {number}}}',
        "/recommend": f'{{"k": {number}}}',
        "/v2/models/tiny/infer": f'{{"inputs": [{{"name": "text", "shape": [{number}], "datatype": "BYTES"}}]}}',
    }
    for path, body in bodies.items():
        answer = client.post(path, content=body)
        assert answer.status_code in (400, 404, 413, 422), (path, answer.text)


@pytest.mark.parametrize("head", [
    b"x-long: " + b"a" * MIB,
    b"\r\n".join(b"x-%d: b" % place for place in range(20_000)), b"cookie: " + b"a=b; " * 50_000,
], ids=["a long header", "many headers", "a long cookie"])  # fmt: skip
def test_a_head_without_measure_is_refused(guarded: Guarded, head: bytes) -> None:
    before = guarded.server.memory_bytes()
    for _ in range(5):
        answer = exchanged(guarded, request(guarded, head))
        assert statuses(answer) in ([431], []), "no answer where the connection was reset before it was read"
    assert guarded.server.memory_bytes() - before < 20 * MIB


def test_of_two_keys_in_an_object_the_last_counts_and_of_two_in_headers_the_first(guarded: Guarded) -> None:
    body = b'{"model": "../../x", "inputs": ["a"], "model": "tiny"}'
    line = b"POST /embed HTTP/1.1"
    length = b"content-length: %d" % len(body)
    assert statuses(exchanged(guarded, request(guarded, length, b"connection: close", line=line, body=body))) == [200]
    second = b"authorization: Bearer wrong"
    assert statuses(exchanged(guarded, request(guarded, second, b"connection: close"))) == [200]
    first = b"GET /models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer wrong\r\n"
    rest = request(guarded, b"connection: close").partition(b"\r\n")[2]
    assert statuses(exchanged(guarded, first + rest)) == [401]


CHUNKED = {
    "more than the limit": b"".join(b"100000\r\n" + b" " * MIB + b"\r\n" for _ in range(10)) + b"0\r\n\r\n",
    "a size that overflows": b"FFFFFFFFFFFFFFFFF\r\na",
    "a size below zero": b"-1\r\na\r\n0\r\n\r\n",
    "an extension without end": b"1;" + b"a" * MIB,
    "trailers without end": b"0\r\n" + b"x-a: b\r\n" * 100_000,
}


@pytest.mark.parametrize("body", CHUNKED.values(), ids=list(CHUNKED))
def test_a_chunked_body_without_measure_is_refused(guarded: Guarded, body: bytes) -> None:
    before = guarded.server.memory_bytes()
    for _ in range(3):
        raw = request(guarded, b"transfer-encoding: chunked", line=b"POST /embed HTTP/1.1", body=body)
        assert statuses(exchanged(guarded, raw)) in ([400], [408], [413], [431], [])
    assert guarded.server.memory_bytes() - before < 40 * MIB


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


def test_a_stranger_s_large_body_is_not_even_read(guarded: Guarded) -> None:
    body = json.dumps({"inputs": ["a" * 7 * MIB]}).encode()
    before = guarded.server.memory_bytes()
    answers = [httpx.post(f"{guarded.server.url}/embed", content=body) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {401}
    assert guarded.server.memory_bytes() - before < 20 * MIB


def test_a_server_without_tls_does_not_answer_a_handshake(guarded: Guarded) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connected(guarded) as connection, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(connection)
