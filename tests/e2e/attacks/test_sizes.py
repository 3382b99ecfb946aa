"""What is small on the way and large once it is here, and what has no end."""

import gzip
import json
import zlib
from collections.abc import Callable

import grpc
import httpx
import pytest
import zstandard

from tests.e2e.attacks.raw import MIB, exchanged, request, statuses
from tests.e2e.conftest import Guarded

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


def test_a_compressed_message_over_grpc_is_not_even_unpacked(guarded: Guarded) -> None:
    """gRPC would unpack it whole, before a key is looked at, so such messages are not taken where keys are needed."""
    highest = guarded.server.highest_memory_bytes()
    with grpc.insecure_channel(guarded.server.grpc_address) as channel:
        call = channel.unary_unary("/jubako.v1.Encoder/Embed")
        for metadata in ([], list(guarded.bearer("all").items())):
            with pytest.raises(grpc.RpcError) as caught:
                call(bytes(200 * MIB), compression=grpc.Compression.Gzip, metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert guarded.server.highest_memory_bytes() - highest < 60 * MIB


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
        raw = request(
            guarded, b"transfer-encoding: chunked", b"connection: close", line=b"POST /embed HTTP/1.1", body=body
        )
        assert statuses(exchanged(guarded, raw)) in ([400], [408], [413], [431], [])
    assert guarded.server.memory_bytes() - before < 40 * MIB


def test_a_stranger_s_large_body_is_not_even_read(guarded: Guarded) -> None:
    body = json.dumps({"inputs": ["a" * 7 * MIB]}).encode()
    before = guarded.server.memory_bytes()
    answers = [httpx.post(f"{guarded.server.url}/embed", content=body) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {401}
    assert guarded.server.memory_bytes() - before < 20 * MIB
