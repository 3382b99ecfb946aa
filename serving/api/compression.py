"""Content codings: gzip, deflate and zstd. Requests are inflated within a bound, answers are shrunk where it pays.

What pays was measured on one core (a CPU of 2.1 GHz; bytes saved for each microsecond spent; docs/http.md has the
table): zstd saves 200 of vectors as JSON numbers and 1,000 of labels, gzip 65 and 540, which is worth it on any network
slower than 500 Mbit/s. Of vectors as base64 gzip saves 10 and is left out.
"""

import asyncio
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from io import BytesIO

import zstandard

from serving.api.asgi import Answer, Headers, find_header
from serving.errors import Code, JubakoError

CODINGS = ("zstd", "gzip", "deflate")
"""In the order in which they are chosen among equals."""
LEVEL = 1
ZSTD_WINDOW_BYTES = 8 * 2**20
"""The most that a sender may ask a receiver to hold (RFC 9659)."""
INLINE_BYTES = 64 * 1024
"""Of an answer, that are shrunk on the event loop: half a millisecond of work."""
INLINE_INFLATED_BYTES = 8 * 1024
"""Of a compressed body, that are inflated on the event loop: at the most as much work as reading the largest body."""
LONGEST_HEADER = 256
OCTETS = b"application/octet-stream"
VARY = (b"vary", b"accept-encoding")
"""Goes with every answer that might have been compressed, whether it is or not."""

Inflate = Callable[[bytes, int], bytes]


async def inflated(body: bytes, coding: str, max_bytes: int) -> bytes:
    """Return a request's body as it was before its content coding.

    Raises:
        JubakoError: `wrong_encoding` for a coding that is not ours, `malformed` for a body that is cut off or is not in
            that coding, `too_large` as soon as `max_bytes` have come out of it.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return body
    inflate = INFLATERS.get(name)
    if inflate is None:
        message = f"a body with content-encoding {coding!r} cannot be read; send it as one of {', '.join(CODINGS)}"
        raise JubakoError(Code.WRONG_ENCODING, message, param="content-encoding")
    try:
        if len(body) <= INLINE_INFLATED_BYTES:
            return inflate(body, max_bytes)
        return await asyncio.to_thread(inflate, body, max_bytes)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        message = f"the body is not {name}, or not all of it: {error}"
        raise JubakoError(Code.MALFORMED, message, param="content-encoding") from error


async def shrunk(answer: Answer, headers: Headers, min_bytes: int) -> Answer:
    """Return an answer in the coding that the request's `accept-encoding` prefers, if it is large enough to gain.

    `min_bytes` is the smallest body that is compressed; 0 leaves all as they are.
    """
    if not 0 < min_bytes <= len(answer.body) or (answer.dense and answer.content_type == OCTETS):
        return answer
    accepted = find_header(headers, b"accept-encoding")
    coding = None if accepted is None or len(accepted) > LONGEST_HEADER else preferred(accepted)
    if coding is None or (answer.dense and coding != "zstd"):
        answer.headers.append(VARY)
        return answer
    shrink = DEFLATERS[coding]
    if len(answer.body) <= INLINE_BYTES:
        body = shrink(answer.body)
    else:
        body = await asyncio.to_thread(shrink, answer.body)
    return replace(answer, body=body, headers=[*answer.headers, (b"content-encoding", coding.encode()), VARY])


@lru_cache(maxsize=64)
def preferred(accepted: str) -> str | None:
    """Return the coding that an `accept-encoding` gives the greatest weight (RFC 9110, 12.5.3); None: no coding."""
    weights = dict(_weight(element) for element in accepted.split(","))
    weights.setdefault("gzip", weights.get("*", 0.0))
    best = max(CODINGS, key=lambda coding: weights.get(coding, 0.0))
    return best if 0 < weights.get(best, 0.0) >= weights.get("identity", 0.0) else None


def _weight(element: str) -> tuple[str, float]:
    name, _, parameters = element.partition(";")
    key, _, value = parameters.strip().partition("=")
    try:
        weight = float(value) if key.strip().lower() == "q" else 1.0
    except ValueError:
        weight = 0.0
    return name.strip().lower(), weight


def _inflate_gzip(body: bytes, max_bytes: int) -> bytes:
    return _inflate_zlib(body, max_bytes, zlib.MAX_WBITS | 16)


def _inflate_deflate(body: bytes, max_bytes: int) -> bytes:
    """Inflate what RFC 9110 calls deflate, or the bare stream without zlib's header that some clients send."""
    # zlib's header: compression method 8, and the first two bytes are a multiple of 31 (RFC 1950, 2.2)
    wrapped = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return _inflate_zlib(body, max_bytes, zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


def _inflate_zlib(body: bytes, max_bytes: int, window_bits: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    rest = body
    while True:  # a gzip file may have several members
        stream = zlib.decompressobj(window_bits)
        piece = stream.decompress(rest, max_bytes - size + 1)
        size += len(piece)
        pieces.append(piece)
        if size > max_bytes:
            raise _bomb(max_bytes)
        if not stream.eof:
            raise EOFError("it ends too soon")
        rest = stream.unused_data
        if not rest:
            return b"".join(pieces)


def _inflate_zstd(body: bytes, max_bytes: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    with reader.stream_reader(BytesIO(body), read_across_frames=True) as stream:
        whole: bytes = stream.read(max_bytes + 1)
    if len(whole) > max_bytes:
        raise _bomb(max_bytes)
    rest = body
    while rest or not body:  # the stream does not tell a frame that is cut off from one that ends
        frame = reader.decompressobj()
        frame.decompress(rest)
        if not frame.eof:
            raise EOFError("it ends too soon")
        rest = frame.unused_data
    return whole


def _bomb(max_bytes: int) -> JubakoError:
    message = f"the body inflates to more than {max_bytes} bytes; send fewer inputs at a time"
    return JubakoError(Code.TOO_LARGE, message)


def _deflate_zstd(body: bytes) -> bytes:
    shrunk: bytes = _PER_THREAD.zstd.compress(body)
    return shrunk


def _deflate_gzip(body: bytes) -> bytes:
    return zlib.compress(body, LEVEL, zlib.MAX_WBITS | 16)


def _deflate_zlib(body: bytes) -> bytes:
    return zlib.compress(body, LEVEL)


class _PerThread(threading.local):
    """A compressor for each thread: they may not be shared, and making one takes as long as compressing a vector."""

    def __init__(self) -> None:
        self.zstd = zstandard.ZstdCompressor(level=LEVEL)


_PER_THREAD = _PerThread()

INFLATERS: dict[str, Inflate] = {
    "zstd": _inflate_zstd,
    "gzip": _inflate_gzip,
    "x-gzip": _inflate_gzip,
    "deflate": _inflate_deflate,
}
DEFLATERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": _deflate_zstd,
    "gzip": _deflate_gzip,
    "deflate": _deflate_zlib,
}
