"""What a transport is: it carries one request there and one answer back, and neither waits nor asks again."""

from typing import Protocol

from jubako.client.requests import Answer, Request
from jubako.client.target import Target


class RequestStream(Protocol):
    """Requests and answers over one connection, in order, several on their way at once."""

    @property
    def is_broken(self) -> bool:
        """Whether nothing more will come."""

    def send(self, request: Request) -> None:
        """Send a request, not waiting for its answer."""

    def receive(self, timeout_s: float) -> Answer:
        """Return the answer to the oldest request that has none.

        Raises:
            ServerError: what that request met; those after it are answered all the same.
            ServerUnreachable: the stream is broken.
        """

    def close(self) -> None:
        """End the stream; what is on its way is given up."""


class Transport(Protocol):
    """The wire of a blocking client; any thread may use it."""

    def send(self, request: Request, timeout_s: float) -> Answer:
        """Return the answer to a request.

        Raises:
            ServerError: the answer is an error, or the time was over.
            ServerUnreachable: there was none.
        """

    def stream(self) -> RequestStream | None:
        """Open a stream, or return None where the protocol has none."""

    def close(self) -> None:
        """Close the connections."""


class AsyncRequestStream(Protocol):
    """As `RequestStream`."""

    @property
    def is_broken(self) -> bool:
        """Whether nothing more will come."""

    def send(self, request: Request) -> None:
        """Send a request, not waiting for its answer."""

    async def receive(self, timeout_s: float) -> Answer:
        """Return the answer to the oldest request that has none; as `RequestStream.receive`."""

    def close(self) -> None:
        """End the stream; what is on its way is given up."""


class AsyncTransport(Protocol):
    """The wire of an asyncio client, within one event loop."""

    async def send(self, request: Request, timeout_s: float) -> Answer:
        """Return the answer to a request; as `Transport.send`."""

    def stream(self) -> AsyncRequestStream | None:
        """Open a stream, or return None where the protocol has none."""

    async def close(self) -> None:
        """Close the connections."""


def connect(target: Target) -> Transport:
    """Return the transport of a target. Nothing is sent yet."""
    # each brings a library that the other does without
    if target.over == "grpc":
        from jubako.client.over_grpc import GrpcTransport

        return GrpcTransport(target)
    from jubako.client.over_http import HttpTransport

    return HttpTransport(target)


def connect_async(target: Target) -> AsyncTransport:
    """As `connect`, for asyncio."""
    if target.over == "grpc":
        from jubako.client.over_grpc import AsyncGrpcTransport

        return AsyncGrpcTransport(target)
    from jubako.client.over_http import AsyncHttpTransport

    return AsyncHttpTransport(target)
