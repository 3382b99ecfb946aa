"""Requests and answers as the hot path sees them: bytes in, bytes out, nothing built that is not used."""

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


def json_answer(value: object, status: int = 200, headers: Headers | None = None) -> Answer:
    """Return an answer with a JSON body; numpy arrays become JSON arrays."""
    return Answer(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status, headers=headers or [])


def error_answer(error: JubakoError, headers: Headers | None = None) -> Answer:
    """Return the answer for an error: its status, the error object, and Retry-After where a retry makes sense."""
    extra = headers or []
    if error.retry_after_s is not None:
        extra = [*extra, (b"retry-after", b"%d" % error.retry_after_s)]
    return json_answer({"error": error.body()}, error.http_status, extra)


def find_header(headers: Headers, name: bytes) -> str | None:
    """Return the first header of that lower-case name."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return None


class Disconnected(Exception):
    """The client left before its request was complete."""


async def read_body(headers: Headers, receive: Receive, max_bytes: int) -> bytes:
    """Read a request's body.

    Raises:
        JubakoError: `too_large`, as soon as the announced or the received size passes `max_bytes`.
        Disconnected: the client left while sending.
    """
    announced = find_header(headers, b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body = message.get("body", b"")
        size += len(body)
        if size > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(body)
        if not message.get("more_body", False):
            return body if len(chunks) == 1 else b"".join(chunks)


async def send_answer(send: Send, answer: Answer) -> None:
    """Send an answer."""
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _too_large(max_bytes: int) -> JubakoError:
    return JubakoError(Code.TOO_LARGE, f"the body is larger than {max_bytes} bytes; send fewer inputs at a time")
