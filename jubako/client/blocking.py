"""The blocking client."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from threading import Event
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from jubako.client import parts
from jubako.client.calls import Calls
from jubako.client.configured import READY, Configured
from jubako.client.methods import documented
from jubako.client.requests import Answer, Call, Request, Stream
from jubako.client.transport import RequestStream, connect
from jubako.errors import DeadlineError, ServerError, ServerUnreachable

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(make: Callable[Concatenate[Calls, P], Call[T]]) -> Callable[Concatenate["Client", P], T]:
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._answered(make(self._calls, *args, **kwargs))

    return documented(method, make, "Client")


def _iterating(make: Callable[Concatenate[Calls, P], Stream[T]]) -> Callable[Concatenate["Client", P], Iterator[T]]:
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self._read(make(self._calls, *args, **kwargs))

    return documented(method, make, "Client", Iterator)


class Client(Configured):
    """Blocking client of the server at a URL; threads may share one."""

    embed = _blocking(Calls.embed)
    """Embed texts, records, items or people."""
    embed_stream = _iterating(Calls.embed_stream)
    """Embed as many texts as an iterable gives, a part at a time."""
    classify = _blocking(Calls.classify)
    """Classify texts or records."""
    recommend = _blocking(Calls.recommend)
    """Recommend items to a user, or like items or a record."""
    models = _blocking(Calls.models)
    """List the models that are served."""
    model = _blocking(Calls.model)
    """Return what is known of a model."""

    def ready(self, timeout_s: float = 5.0) -> bool:
        """Tell whether the server answers and all its models are ready; asks once."""
        try:
            self._transport.send(READY, timeout_s)
        except (ServerError, ServerUnreachable):
            return False
        return True

    def close(self) -> None:
        """Close the connections, after what is on its way in other threads; nothing more is sent."""
        self._closing.set()
        self._pool.shutdown(cancel_futures=True)
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        self._transport = connect(self._target)
        self._closing = Event()
        self._pool = ThreadPoolExecutor(self._in_flight, thread_name_prefix="jubako-client")

    def _answered(self, call: Call[T]) -> T:
        if len(call.requests) == 1:
            return call.read(self._ask(call.requests[0]))
        return call.read(parts.whole(list(self._side_by_side(iter(call.requests)))))

    def _read(self, stream: Stream[T]) -> Iterator[T]:
        wire = self._transport.stream()
        answers = self._side_by_side(stream.requests) if wire is None else self._through(wire, stream.requests)
        for answer in answers:
            yield stream.read(answer)

    def _side_by_side(self, requests: Iterator[Request]) -> Iterator[Answer]:
        waiting: deque[Future[Answer]] = deque()
        try:
            for request in requests:
                waiting.append(self._pool.submit(self._ask, request))
                if len(waiting) == self._in_flight:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _through(self, wire: RequestStream, requests: Iterator[Request]) -> Iterator[Answer]:
        waiting: deque[Request] = deque()
        try:
            for request in requests:
                if wire.is_broken:
                    requests = chain([request], requests)
                    break
                wire.send(request)
                waiting.append(request)
                if len(waiting) == self._in_flight:
                    yield self._next(wire, waiting.popleft())
            while waiting:
                yield self._next(wire, waiting.popleft())
        finally:
            wire.close()
        yield from self._side_by_side(requests)

    def _next(self, wire: RequestStream, request: Request) -> Answer:
        try:
            return wire.receive(self._time_of(request))
        except DeadlineError:
            raise
        except (ServerError, ServerUnreachable):
            return self._ask(request)

    def _ask(self, request: Request) -> Answer:
        try:
            return self._sent(request)
        except ServerError as error:
            smaller = parts.smaller(request, error)
            if not smaller:
                return parts.told(request, error)
        return parts.join([self._ask(each) for each in smaller])

    def _sent(self, request: Request) -> Answer:
        attempts = self._attempts(request)
        while True:
            try:
                return self._transport.send(request, attempts.left_s())
            except (ServerError, ServerUnreachable) as error:
                wait_s, failure = attempts.wait_s(error), error
            if self._closing.wait(wait_s):
                raise failure
