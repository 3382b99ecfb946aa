"""What all calls have in common: whatever a servicer does, its call ends with a status, and it is written down."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode

from serving.access.gate import Gate
from serving.api import scopes
from serving.api.observing import Observer
from serving.api.request_ids import HEADER, request_id
from serving.api.rpc.call import REQUEST_ID_KEY, Call, Context
from serving.api.rpc.standing import Room
from serving.api.rpc.status import error_metadata, internal_error, shortened, status_code
from serving.errors import Code, JubakoError
from serving.releases.splitting import REQUEST_KEY
from serving.settings import Settings

logger = logging.getLogger("jubako.rpc")

UNKNOWN_METHOD = "unknown"
"""Label in metrics for every method that is not served, so that labels stay few."""

Handler = Any
"""`grpc.RpcMethodHandler`, which has no types."""


@dataclass(frozen=True)
class Service:
    """A service and what answers it.

    The servicer has a coroutine for each method of the descriptor: `(request, call)` returns the response, and where
    responses are streamed returns nothing and writes to the call; where requests are streamed it is `(call)`, and
    reads from it. It raises `JubakoError`.
    """

    descriptor: ServiceDescriptor
    servicer: object
    counted: bool = True
    """Whether its calls count towards `max_calls`; an overloaded server still tells how it is."""

    @property
    def name(self) -> str:
        """The full name."""
        name: str = self.descriptor.full_name
        return name


class Handling:
    """Finds the handler of a method; what gRPC calls a generic handler."""

    def __init__(
        self,
        services: Iterable[Service],
        settings: Settings,
        closing: asyncio.Event | None = None,
        gate: Gate | None = None,
    ) -> None:
        """Take the services; counted ones are refused once `closing` is set. Without a gate everybody is let in."""
        observer = Observer(settings.observability, "grpc")
        self._gate = gate or Gate()
        room = Room(settings.grpc.max_calls, "calls", closing)
        self._handlers = {
            f"/{service.name}/{method.name}": _handler(
                service, method, observer, self._gate, room if service.counted else None
            )
            for service in services
            for method in service.descriptor.methods
        }
        self._observer = observer

    def service(self, handler_call_details: Any) -> Handler:
        """Return what answers a method, or tells that nobody does."""
        known = self._handlers.get(handler_call_details.method)
        if known is not None:
            return known
        path = handler_call_details.method

        async def refuse(call: Call[Message]) -> None:
            message = f"nothing is served at {shortened(path)!r}; server reflection lists what is"
            raise JubakoError(Code.UNKNOWN_PATH, message)

        return grpc.stream_stream_rpc_method_handler(
            _Method(UNKNOWN_METHOD, refuse, bytes, self._observer, self._gate).stream
        )


def _handler(service: Service, method: MethodDescriptor, observer: Observer, gate: Gate, room: Room | None) -> Handler:
    path = f"/{service.name}/{method.name}"
    parse = GetMessageClass(method.input_type).FromString
    made = _Method(path, getattr(service.servicer, method.name), parse, observer, gate, room)
    match method.client_streaming, method.server_streaming:
        case False, False:
            return grpc.unary_unary_rpc_method_handler(made.unary)
        case False, True:
            return grpc.unary_stream_rpc_method_handler(made.stream_of_one)
        case True, True:
            return grpc.stream_stream_rpc_method_handler(made.stream)
    raise NotImplementedError(f"{path} streams requests but answers once")


class _Method:
    """One method: the way of its calls from bytes to bytes."""

    def __init__(
        self,
        path: str,
        behaviour: Callable[..., Awaitable[Any]],
        parse: Callable[[bytes], Any],
        observer: Observer,
        gate: Gate,
        room: Room | None = None,
    ) -> None:
        self._path = path
        self._behaviour = behaviour
        self._parse = parse
        self._observer = observer
        self._gate = gate
        self._endpoints = scopes.of_method(path)
        self._room = nullcontext() if room is None else room

    async def unary(self, raw: bytes, context: Context) -> bytes:
        async def answer(call: Call[Any]) -> bytes:
            response = await self._behaviour(call.parsed(raw), call)
            body: bytes = response.SerializeToString()
            call.sent_bytes = len(body)
            return body

        body: bytes = await self._answered(answer, context)
        return body

    async def stream_of_one(self, raw: bytes, context: Context) -> None:
        await self._answered(lambda call: self._behaviour(call.parsed(raw), call), context)

    async def stream(self, _: object, context: Context) -> None:
        await self._answered(self._behaviour, context)

    async def _answered(self, work: Callable[[Call[Any]], Awaitable[Any]], context: Context) -> Any:
        metadata = context.invocation_metadata()
        call: Call[Any] = Call(context, self._parse, _request_id(metadata))
        REQUEST_KEY.set(call.request_id)
        observed = self._observer.called(self._path, metadata, call.request_id)
        try:
            self._gate.admit_metadata(self._endpoints, metadata)
            with self._room:
                body = await work(call)
        except JubakoError as error:
            failure = error
        except (asyncio.CancelledError, grpc.aio.BaseError):  # the latter when messages have nowhere to go any more
            late = context.time_remaining() == 0
            code = StatusCode.DEADLINE_EXCEEDED if late else StatusCode.CANCELLED
            self._observer.left(observed, self._path, code)
            raise
        except Exception:
            logger.exception("%s failed, request %s", self._path, call.request_id)
            failure = internal_error()
        else:
            context.set_trailing_metadata(call.trailing_metadata())
            self._observer.ended(observed, self._path, StatusCode.OK, call.sent_bytes)
            return body
        code = status_code(failure)
        observed.code = failure.code
        self._observer.ended(observed, self._path, code, call.sent_bytes)
        await context.abort(code, shortened(failure.message), (*call.trailing_metadata(), *error_metadata(failure)))


def _request_id(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Return the caller's id of the request, or a new one."""
    given = [(HEADER, value.encode()) for key, value in metadata if key == REQUEST_ID_KEY and isinstance(value, str)]
    return request_id(given).decode()
