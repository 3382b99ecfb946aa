"""Requests and answers as the hot path sees them: bytes in, bytes out, nothing built that is not used."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from serving.errors import Code, JubakoError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Request:
    """One HTTP request, its body read."""

    path: str
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> str | None:
        """Return a header by its lower-case name."""
        return find_header(self.headers, name)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"
    headers: Headers = field(default_factory=list)
    dense: bool = False
    """Whether the body is little but base64 of floats, which hardly shrinks."""


def json_answer(value: object, status: int = 200, headers: Headers | None = None, *, dense: bool = False) -> Answer:
    """Return an answer with a JSON body; numpy arrays become JSON arrays."""
    return Answer(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status, headers=headers or [], dense=dense)


def error_answer(error: JubakoError, headers: Headers | None = None) -> Answer:
    """Return the answer for an error: its status, the error object, and what the client may do about it as headers."""
    extra = [*(headers or []), *error_headers(error)]
    return json_answer({"error": error.body()}, error.http_status, extra)


def error_headers(error: JubakoError) -> Headers:
    """Return Retry-After where a retry makes sense, Accept-Encoding where another coding does, and how a key comes."""
    if error.retry_after_s is not None:
        return [(b"retry-after", b"%d" % error.retry_after_s)]
    if error.code is Code.WRONG_ENCODING:
        return [(b"accept-encoding", b"gzip, deflate, zstd")]
    if error.code is Code.UNAUTHENTICATED:
        return [(b"www-authenticate", b'Bearer realm="jubako"')]
    if error.code is Code.SLOW_BODY:
        return [(b"connection", b"close")]
    return []


def find_header(headers: Headers, name: bytes) -> str | None:
    """Return the first header of that lower-case name."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return None


class Disconnected(Exception):
    """The client left before its request was complete."""


async def read_body(headers: Headers, receive: Receive, max_bytes: int, limit_s: float | None = None) -> bytes:
    """Read a request's body.

    Raises:
        JubakoError: `too_large`, as soon as the announced or the received size passes `max_bytes`; `slow_body` when it
            is not whole after `limit_s`.
        Disconnected: the client left while sending.
    """
    announced = find_header(headers, b"content-length")
    if announced is not None and announced.isdecimal() and announced.isascii() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = message.get("body", b"")
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    if not message.get("more_body", False):
        return body
    try:
        async with asyncio.timeout(limit_s):
            return await _rest_of_body(body, receive, max_bytes)
    except TimeoutError:
        why = f"the body is not whole after {limit_s:g} s; send it faster, or less at a time"
        raise JubakoError(Code.SLOW_BODY, why) from None


async def _rest_of_body(body: bytes, receive: Receive, max_bytes: int) -> bytes:
    chunks, size, more = [body], len(body), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body, more = message.get("body", b""), message.get("more_body", False)
        size += len(body)
        if size > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(body)
    return b"".join(chunks)


async def send_answer(send: Send, answer: Answer, common: Headers | None = None, *, with_body: bool = True) -> None:
    """Send an answer, with the headers that are common to all answers; without its body to a HEAD request."""
    headers = [*answer.headers, *(common or ())]
    if answer.status != 204:
        headers[:0] = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})


def _too_large(max_bytes: int) -> JubakoError:
    return JubakoError(Code.TOO_LARGE, f"the body is larger than {max_bytes} bytes; send fewer inputs at a time")
