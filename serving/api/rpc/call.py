"""One call, as a servicer sees it: who asks, until when, and where its time went."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from serving.api.rpc.status import Metadata
from serving.api.timing import Timed, server_timing
from serving.errors import Code, JubakoError

REQUEST_ID_KEY = "x-request-id"
LEAST_MS = 0.001
"""What is left of a deadline that has all but passed: 0 would stand for none."""

RequestT = TypeVar("RequestT", bound=Message)
Context = Any
"""`grpc.aio.ServicerContext`, which has no types."""


class Call(Generic[RequestT]):
    """Wraps gRPC's context. Messages come and go as bytes, so that what cannot be read is our error to tell."""

    def __init__(self, context: Context, parse: Callable[[bytes], RequestT], request_id: str) -> None:
        self.request_id = request_id
        self.sent_bytes = 0
        self._context = context
        self._parse = parse
        self._timing: Timed | None = None

    def timeout_ms(self, most_ms: float) -> float:
        """Return the time that is left to answer: until the client's deadline, and no more than `most_ms`."""
        remaining_s = self._context.time_remaining()
        return most_ms if remaining_s is None else max(min(remaining_s * 1e3, most_ms), LEAST_MS)

    def took(self, timed: Timed) -> None:
        """Note where the time went; told when the call ends."""
        self._timing = timed

    async def read(self) -> RequestT | None:
        """Return the next message of a stream, None when there are no more.

        Raises:
            JubakoError: `malformed`.
        """
        raw = await self._context.read()
        return None if raw is grpc.aio.EOF else self.parsed(raw)

    async def write(self, response: Message) -> None:
        """Send one message of a stream; returns when the transport has room for the next."""
        raw = response.SerializeToString()
        self.sent_bytes += len(raw)
        await self._context.write(raw)

    def parsed(self, raw: bytes) -> RequestT:
        """Return a message from its bytes.

        Raises:
            JubakoError: `malformed`.
        """
        try:
            return self._parse(raw)
        except DecodeError as error:
            raise JubakoError(Code.MALFORMED, "the message is not what this method takes") from error

    def trailing_metadata(self) -> Metadata:
        """Return what is told at the end of every call."""
        told: Metadata = ((REQUEST_ID_KEY, self.request_id),)
        if self._timing is None:
            return told
        name, stages = server_timing(self._timing)
        return *told, (name.decode(), stages.decode())
