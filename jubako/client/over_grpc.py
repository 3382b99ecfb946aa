"""gRPC: the messages of `proto/jubako/v1/encoder.proto`, vectors as packed bytes."""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio

from jubako.client.grpc_methods import EMBED_STREAM, METHODS, read_answer, read_streamed, write_streamed
from jubako.client.requests import Answer, Request
from jubako.client.statuses import read_error
from jubako.client.target import Target, user_agent
from jubako.errors import DeadlineError, ServerUnreachable

Metadata = tuple[tuple[str, str], ...]

aio: Any = grpc.aio
"""Without types."""
BROKEN = "the stream ended before the answer came"


class GrpcTransport:
    """Blocking gRPC. A channel opens its connection when it is used first, and again when it was lost."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._channel = _channel(grpc, target)
        self._calls = {name: self._channel.unary_unary(method.path) for name, method in METHODS.items()}

    def send(self, request: Request, timeout_s: float) -> Answer:
        """Send and receive; as `Transport.send`."""
        message = METHODS[request.operation].write(request.body)
        try:
            data = self._calls[request.operation](message, timeout=timeout_s, metadata=_metadata(request, self._target))
        except grpc.RpcError as error:
            raise read_error(error, self._target.url, request.request_id, timeout_s) from error
        return read_answer(request, data)

    def stream(self) -> "GrpcStream":
        """Open a stream of embed requests."""
        return GrpcStream(self._channel.stream_stream(EMBED_STREAM), self._target)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


class GrpcStream:
    """A blocking `EmbedStream`. gRPC takes requests from the queue in a thread of its own."""

    def __init__(self, method: Callable[..., Any], target: Target) -> None:
        self.is_broken = False
        self._target = target
        self._waiting: deque[Request] = deque()
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._call = method(iter(self._outgoing.get, None), metadata=_carried(target))

    def send(self, request: Request) -> None:
        """Send a request, not waiting for its answer."""
        self._outgoing.put(write_streamed(request))
        self._waiting.append(request)

    def receive(self, timeout_s: float) -> Answer:
        """Return the answer to the oldest request that has none; as `RequestStream.receive`."""
        request = self._waiting.popleft()
        timer = threading.Timer(timeout_s, self._call.cancel)
        timer.daemon = True
        timer.start()
        try:
            data = next(self._call)
        except StopIteration:
            self.is_broken = True
            raise ServerUnreachable(self._target.url, BROKEN) from None
        except grpc.RpcError as error:
            self.is_broken = True
            raise _broken(error, self._target, request, timeout_s) from error
        finally:
            timer.cancel()
        return read_streamed(request, data)

    def close(self) -> None:
        """End the stream; what is on its way is given up."""
        self._outgoing.put(None)
        self._call.cancel()


class AsyncGrpcTransport:
    """gRPC for asyncio. The channel belongs to the event loop that uses it first."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._opened: Any = None

    async def send(self, request: Request, timeout_s: float) -> Answer:
        """Send and receive; as `Transport.send`."""
        method = METHODS[request.operation]
        message, call = method.write(request.body), self._channel.unary_unary(method.path)
        try:
            data = await call(message, timeout=timeout_s, metadata=_metadata(request, self._target))
        except grpc.RpcError as error:
            raise read_error(error, self._target.url, request.request_id, timeout_s) from error
        return read_answer(request, data)

    def stream(self) -> "AsyncGrpcStream":
        """Open a stream of embed requests."""
        return AsyncGrpcStream(self._channel.stream_stream(EMBED_STREAM), self._target)

    async def close(self) -> None:
        """Close the connection."""
        if self._opened is not None:
            await self._opened.close()

    @property
    def _channel(self) -> Any:
        if self._opened is None:
            self._opened = _channel(aio, self._target)
        return self._opened


class AsyncGrpcStream:
    """An `EmbedStream` for asyncio."""

    def __init__(self, method: Callable[..., Any], target: Target) -> None:
        self.is_broken = False
        self._target = target
        self._waiting: deque[Request] = deque()
        self._outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        # a task of gRPC's takes requests from the queue: were they written here, both ends could wait to be read
        self._call = method(self._queued(), metadata=_carried(target))

    def send(self, request: Request) -> None:
        """Send a request, not waiting for its answer."""
        self._outgoing.put_nowait(write_streamed(request))
        self._waiting.append(request)

    async def receive(self, timeout_s: float) -> Answer:
        """Return the answer to the oldest request that has none; as `RequestStream.receive`."""
        request = self._waiting.popleft()
        try:
            async with asyncio.timeout(timeout_s):
                data = await self._call.read()
        except TimeoutError:
            self.is_broken = True
            raise _over(self._target, request, timeout_s) from None
        except grpc.RpcError as error:
            self.is_broken = True
            raise _broken(error, self._target, request, timeout_s) from error
        if data is aio.EOF:
            self.is_broken = True
            raise ServerUnreachable(self._target.url, BROKEN)
        return read_streamed(request, data)

    def close(self) -> None:
        """End the stream; what is on its way is given up."""
        self._outgoing.put_nowait(None)
        self._call.cancel()

    async def _queued(self) -> AsyncIterator[bytes]:
        while (message := await self._outgoing.get()) is not None:
            yield message


def _channel(library: Any, target: Target) -> Any:
    """Return a channel of `grpc` or of `grpc.aio`."""
    compression = grpc.Compression.Gzip if target.compression == "gzip" else grpc.Compression.NoCompression
    if not target.is_encrypted:
        return library.insecure_channel(target.address, _options(), compression)
    return library.secure_channel(
        target.address, grpc.ssl_channel_credentials(target.certificates()), _options(), compression
    )


def _options() -> list[tuple[str, Any]]:
    return [
        ("grpc.primary_user_agent", user_agent()),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # While a channel waits to connect again, calls fail at once: its second would be longer than our tries take.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
    ]


def _carried(target: Target) -> Metadata:
    return tuple((name, value) for name, value in target.headers.items() if name != "user-agent")


def _metadata(request: Request, target: Target) -> Metadata:
    return *_carried(target), ("x-request-id", request.request_id)


def _broken(error: Any, target: Target, request: Request, timeout_s: float) -> Exception:
    if error.code() == grpc.StatusCode.CANCELLED:
        return _over(target, request, timeout_s)
    return read_error(error, target.url, request.request_id, timeout_s)


def _over(target: Target, request: Request, timeout_s: float) -> DeadlineError:
    message = f"no answer from {target.url} within {timeout_s:g} s"
    return DeadlineError(504, "deadline", message, None, None, request.request_id)
