"""HTTP: the contract's JSON, vectors as base64."""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from math import ceil
from time import monotonic, time
from typing import Any
from urllib.parse import quote

import httpx

from jubako.client.requests import Answer, Request
from jubako.client.target import Target, user_agent
from jubako.errors import DeadlineError, ServerError, ServerUnreachable

SMALL_BYTES = 1024
"""A body up to this size is not compressed."""
# Servers close what has been idle for some five seconds; a request must not meet that.
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=4.0)


class HttpTransport:
    """Blocking HTTP."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._http = httpx.Client(**_settings(target))

    def send(self, request: Request, timeout_s: float) -> Answer:
        """Send and receive; as `Transport.send`."""
        check = _deadline_check(timeout_s)
        with (
            _translated(self._target.url, timeout_s),
            self._http.stream(**_sent(request, timeout_s, self._target)) as response,
        ):
            chunks = []
            for chunk in response.iter_bytes():
                chunks.append(chunk)
                check()
            return _read(response, b"".join(chunks), request)

    def stream(self) -> None:
        """HTTP has none."""

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncHttpTransport:
    """HTTP for asyncio."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._http = httpx.AsyncClient(**_settings(target))

    async def send(self, request: Request, timeout_s: float) -> Answer:
        """Send and receive; as `Transport.send`."""
        with _translated(self._target.url, timeout_s):
            async with asyncio.timeout(timeout_s):
                response = await self._http.request(**_sent(request, timeout_s, self._target))
            return _read(response, response.content, request)

    def stream(self) -> None:
        """HTTP has none."""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _settings(target: Target) -> dict[str, Any]:
    carried = {
        "user-agent": user_agent(),
        "accept": "application/json",
        "accept-encoding": target.compression or "identity",
        **target.headers,
    }
    return {"base_url": target.url, "headers": carried, "verify": target.tls(), "limits": LIMITS}


def _sent(request: Request, timeout_s: float, target: Target) -> dict[str, Any]:
    """Return the arguments of httpx's `request`."""
    headers = {"x-request-id": request.request_id, "x-request-timeout-ms": str(ceil(timeout_s * 1e3))}
    sent: dict[str, Any] = {"headers": headers, "timeout": timeout_s}
    match request.operation:
        case "models":
            return {**sent, "method": "GET", "url": "/models"}
        case "model":
            return {**sent, "method": "GET", "url": f"/models/{quote(request.body['name'], safe='')}"}
        case "ready":
            return {**sent, "method": "GET", "url": "/readyz"}
    content = json.dumps(request.body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    headers["content-type"] = "application/json"
    if target.compression == "gzip" and len(content) > SMALL_BYTES:
        content = gzip.compress(content, compresslevel=1)
        headers["content-encoding"] = "gzip"
    return {**sent, "method": "POST", "url": f"/{request.operation}", "content": content}


def _read(response: httpx.Response, content: bytes, request: Request) -> Answer:
    try:
        body = json.loads(content)
    except ValueError:
        body = content.decode(errors="replace")
    if not response.is_success or not isinstance(body, dict):
        request_id = response.headers.get("x-request-id", request.request_id)
        raise ServerError.from_answer(response.status_code, body, _retry_after_s(response), request_id)
    return body


def _retry_after_s(response: httpx.Response) -> float | None:
    """Return the seconds of Retry-After, which holds seconds or a date."""
    given = response.headers.get("retry-after")
    if given is None:
        return None
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - time())
    except ValueError:
        return None


def _deadline_check(timeout_s: float) -> Callable[[], None]:
    """Return what raises once the time is over: httpx bounds only the time between two chunks."""
    ends = monotonic() + timeout_s

    def check() -> None:
        if monotonic() > ends:
            raise TimeoutError

    return check


@contextmanager
def _translated(url: str, timeout_s: float) -> Iterator[None]:
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise ServerUnreachable(url, str(error) or f"no connection within {timeout_s:g} s") from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise DeadlineError(504, "deadline", f"no answer from {url} within {timeout_s:g} s") from error
    except httpx.TransportError as error:
        raise ServerUnreachable(url, str(error) or type(error).__name__) from error
