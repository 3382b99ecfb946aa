"""The client for asyncio."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing
from itertools import chain
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from jubako.client import parts
from jubako.client.calls import Calls
from jubako.client.configured import READY, Configured
from jubako.client.methods import documented
from jubako.client.requests import Answer, Call, Request, Stream
from jubako.client.transport import AsyncRequestStream, connect_async
from jubako.errors import DeadlineError, ServerError, ServerUnreachable

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(
    make: Callable[Concatenate[Calls, P], Call[T]],
) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]:
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._answered(make(self._calls, *args, **kwargs))

    return documented(method, make, "AsyncClient", Awaitable)


def _iterating(
    make: Callable[Concatenate[Calls, P], Stream[T]],
) -> Callable[Concatenate["AsyncClient", P], AsyncIterator[T]]:
    def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self._read(make(self._calls, *args, **kwargs))

    return documented(method, make, "AsyncClient", AsyncIterator)


class AsyncClient(Configured):
    """`Client` for asyncio, within one event loop: calls are awaited, `embed_stream` is read with `async for`."""

    embed = _awaited(Calls.embed)
    """Embed texts, records, items or people."""
    embed_stream = _iterating(Calls.embed_stream)
    """Embed as many texts as an iterable gives, a part at a time."""
    classify = _awaited(Calls.classify)
    """Classify texts or records."""
    recommend = _awaited(Calls.recommend)
    """Recommend items to a user, or like items or a record."""
    models = _awaited(Calls.models)
    """List the models that are served."""
    model = _awaited(Calls.model)
    """Return what is known of a model."""

    async def ready(self, timeout_s: float = 5.0) -> bool:
        """Tell whether the server answers and all its models are ready; asks once."""
        try:
            await self._transport.send(READY, timeout_s)
        except (ServerError, ServerUnreachable):
            return False
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _open(self) -> None:
        self._transport = connect_async(self._target)

    async def _answered(self, call: Call[T]) -> T:
        if len(call.requests) == 1:
            return call.read(await self._ask(call.requests[0]))
        return call.read(parts.whole([answer async for answer in self._side_by_side(iter(call.requests))]))

    async def _read(self, stream: Stream[T]) -> AsyncIterator[T]:
        wire = self._transport.stream()
        answers = self._side_by_side(stream.requests) if wire is None else self._through(wire, stream.requests)
        async with aclosing(answers):
            async for answer in answers:
                yield stream.read(answer)

    async def _side_by_side(self, requests: Iterator[Request]) -> AsyncGenerator[Answer, None]:
        waiting: deque[asyncio.Task[Answer]] = deque()
        try:
            for request in requests:
                waiting.append(asyncio.create_task(self._ask(request)))
                if len(waiting) == self._in_flight:
                    yield await waiting[0]
                    waiting.popleft()
            while waiting:
                yield await waiting[0]
                waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _through(self, wire: AsyncRequestStream, requests: Iterator[Request]) -> AsyncGenerator[Answer, None]:
        waiting: deque[Request] = deque()
        try:
            for request in requests:
                if wire.is_broken:
                    requests = chain([request], requests)
                    break
                wire.send(request)
                waiting.append(request)
                if len(waiting) == self._in_flight:
                    yield await self._next(wire, waiting.popleft())
            while waiting:
                yield await self._next(wire, waiting.popleft())
        finally:
            wire.close()
        async for answer in self._side_by_side(requests):
            yield answer

    async def _next(self, wire: AsyncRequestStream, request: Request) -> Answer:
        try:
            return await wire.receive(self._time_of(request))
        except DeadlineError:
            raise
        except (ServerError, ServerUnreachable):
            return await self._ask(request)

    async def _ask(self, request: Request) -> Answer:
        try:
            return await self._sent(request)
        except ServerError as error:
            smaller = parts.smaller(request, error)
            if not smaller:
                return parts.told(request, error)
        return parts.join([await self._ask(each) for each in smaller])

    async def _sent(self, request: Request) -> Answer:
        attempts = self._attempts(request)
        while True:
            try:
                return await self._transport.send(request, attempts.left_s())
            except (ServerError, ServerUnreachable) as error:
                wait_s = attempts.wait_s(error)
            await asyncio.sleep(wait_s)
