"""Content codings, on the wire and alone."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from serving.api.asgi import Answer
from serving.api.compression import INLINE_BYTES, inflated, preferred, shrunk
from serving.errors import Code, JubakoError

TEXTS = [f"a lacquer box holds {number} trays of rice" for number in range(40)]
BODY = json.dumps({"inputs": TEXTS}).encode()
LIMIT = 200_000


def bare_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def streamed_zstd(data: bytes) -> bytes:
    """Return a frame that does not tell how long its content is."""
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(data) + stream.flush()


SHRINK: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip by its old name": ("x-gzip", gzip.compress),
    "gzip in capitals": ("GZIP", gzip.compress),
    "two members": ("gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:])),
    "deflate": ("deflate", zlib.compress),
    "deflate without a header": ("deflate", bare_deflate),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "zstd of unknown length": ("zstd", streamed_zstd),
    "two frames": ("zstd", lambda data: streamed_zstd(data[:7]) + streamed_zstd(data[7:])),
    "identity": ("identity", bytes),
    "nothing": ("", bytes),
}
CODED = {name: (coding, shrink) for name, (coding, shrink) in SHRINK.items() if coding not in ("identity", "")}


@pytest.mark.parametrize(("coding", "shrink"), SHRINK.values(), ids=list(SHRINK))
async def test_a_compressed_body_is_read(
    client: httpx.AsyncClient, coding: str, shrink: Callable[[bytes], bytes]
) -> None:
    plain = await client.post("/embed", content=BODY)
    coded = await client.post("/embed", content=shrink(BODY), headers={"content-encoding": coding})
    assert (coded.status_code, coded.json()) == (200, plain.json())


@pytest.mark.parametrize(("coding", "shrink"), CODED.values(), ids=list(CODED))
@given(data=st.binary(max_size=200) | st.integers(0, 40_000).map(bytes))
async def test_what_was_shrunk_is_inflated(coding: str, shrink: Callable[[bytes], bytes], data: bytes) -> None:
    assert await inflated(shrink(data), coding, LIMIT) == data


@pytest.mark.parametrize(("coding", "shrink"), CODED.values(), ids=list(CODED))
async def test_a_body_is_read_up_to_the_bound_and_no_further(coding: str, shrink: Callable[[bytes], bytes]) -> None:
    assert len(await inflated(shrink(bytes(LIMIT)), coding, LIMIT)) == LIMIT
    with pytest.raises(JubakoError) as caught:
        await inflated(shrink(bytes(LIMIT + 1)), coding, LIMIT)
    assert caught.value.code is Code.TOO_LARGE


@pytest.mark.parametrize(("coding", "shrink"), CODED.values(), ids=list(CODED))
async def test_a_bomb_is_refused(client: httpx.AsyncClient, coding: str, shrink: Callable[[bytes], bytes]) -> None:
    bomb = shrink(bytes(50 * 2**20))
    assert len(bomb) < LIMIT
    response = await client.post("/embed", content=bomb, headers={"content-encoding": coding})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


async def test_a_frame_that_lies_about_its_length_is_refused() -> None:
    honest = zstandard.ZstdCompressor().compress(bytes(300))
    liar = honest.replace((300 - 256).to_bytes(2, "little"), (400 - 256).to_bytes(2, "little"), 1)
    assert liar != honest
    with pytest.raises(JubakoError) as caught:
        await inflated(liar, "zstd", LIMIT)
    assert caught.value.code is Code.MALFORMED


async def test_a_frame_that_asks_for_too_much_memory_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    with pytest.raises(JubakoError) as caught:
        await inflated(stream.compress(BODY) + stream.flush(), "zstd", LIMIT)
    assert caught.value.code is Code.MALFORMED


@pytest.mark.parametrize(("coding", "shrink"), CODED.values(), ids=list(CODED))
@pytest.mark.parametrize(
    "spoil",
    [lambda data: data[:-1], lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data + b"\x01more"],
    ids=["cut", "cut in half", "empty", "followed by something else"],
)
async def test_a_broken_body_is_malformed(
    client: httpx.AsyncClient, coding: str, shrink: Callable[[bytes], bytes], spoil: Callable[[bytes], bytes]
) -> None:
    response = await client.post("/embed", content=spoil(shrink(BODY)), headers={"content-encoding": coding})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "malformed", "content-encoding")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
async def test_what_is_not_compressed_at_all_is_malformed(client: httpx.AsyncClient, coding: str) -> None:
    response = await client.post("/embed", content=BODY, headers={"content-encoding": coding})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "malformed")


@pytest.mark.parametrize("coding", [b"br", b"gzip, gzip", b"compress", b"\xff"])
async def test_an_unknown_coding_is_told_the_known_ones(client: httpx.AsyncClient, coding: bytes) -> None:
    response = await client.post("/embed", content=BODY, headers={b"content-encoding": coding})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (415, "wrong_encoding", "content-encoding")
    assert response.headers["accept-encoding"] == "gzip, deflate, zstd"


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("deflate", "deflate"),
        ("GZip", "gzip"),
        ("br", None),
        ("", None),
        ("identity", None),
        ("*", "gzip"),
        ("*;q=0", None),
        ("gzip;q=0", None),
        ("gzip;q=0, *", None),
        ("gzip;q=0.2, zstd;q=0.1", "gzip"),
        ("zstd;q=0.001", "zstd"),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0.5, identity;q=0.1", "gzip"),
        ("gzip, identity", "gzip"),
        ("gzip;q=soon", None),
        ("gzip;q=nan", None),
        (" gzip ; q=1.0 ,, ", "gzip"),
        ("a" * 300 + ", gzip", None),
    ],
)
async def test_an_answer_has_the_coding_that_the_client_prefers(
    client: httpx.AsyncClient, accepted: str, chosen: str | None
) -> None:
    request = client.build_request("POST", "/embed", content=BODY, headers={"accept-encoding": accepted})
    response = await client.send(request, stream=True)
    raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers.get("content-encoding") == chosen
    assert response.headers["vary"] == "accept-encoding"
    assert int(response.headers["content-length"]) == len(raw)
    plain = raw if chosen is None else await inflated(raw, chosen, 10**7)
    assert len(json.loads(plain)["data"]) == len(TEXTS)


@given(st.text(st.sampled_from('gzipdeflatstr;q=0.1, *\t"é'), max_size=40))
def test_any_preference_is_understood_somehow(accepted: str) -> None:
    assert preferred(accepted) in {"gzip", "deflate", "zstd", None}


async def asked(client: httpx.AsyncClient, accepted: str, **body: Any) -> str | None:
    headers = {"accept-encoding": accepted}
    response = await client.post("/embed", json={"inputs": TEXTS, **body}, headers=headers)
    assert response.status_code == 200
    assert len(response.json()["data"]) == len(body.get("inputs", TEXTS))
    coding: str | None = response.headers.get("content-encoding")
    return coding


async def test_of_base64_only_zstd_saves_more_than_it_costs(client: httpx.AsyncClient) -> None:
    assert await asked(client, "gzip", encoding_format="base64") is None
    assert await asked(client, "gzip, zstd", encoding_format="base64") == "zstd"
    assert await asked(client, "gzip", encoding_format="base64", output_dtype="int8") == "gzip"


async def test_small_answers_are_left_as_they_are(client: httpx.AsyncClient) -> None:
    assert await asked(client, "gzip", inputs=["rice"]) is None
    alive = await client.get("/livez")
    assert (alive.headers.get("content-encoding"), alive.headers.get("vary")) == (None, None)


@pytest.mark.parametrize("size", [2000, INLINE_BYTES, INLINE_BYTES + 1, 10 * INLINE_BYTES])
async def test_answers_of_every_size_come_back_whole(size: int) -> None:
    body = b'"' + b"0123456789" * (size // 10) + b'"'
    for coding in ("gzip", "deflate", "zstd"):
        small = await shrunk(Answer(body), [(b"accept-encoding", coding.encode())], 1000)
        assert len(small.body) < len(body)
        assert await inflated(small.body, coding, 2 * size) == body


async def test_binary_tensors_and_a_setting_of_none_are_left_as_they_are() -> None:
    accepted = [(b"accept-encoding", b"gzip")]
    octets = Answer(bytes(5000), content_type=b"application/octet-stream", dense=True)
    assert await shrunk(octets, accepted, 1000) is octets
    assert await shrunk(json := Answer(bytes(5000)), accepted, 0) is json
