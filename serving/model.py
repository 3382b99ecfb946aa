"""A model that is being served: the way of an input from the caller to its output, whatever the output is for."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Any, Protocol

from bundle.manifest import Manifest
from features.record import Record, RecordError
from features.rows import FeatureRow, Features
from serving.access.caller import at_own_cost, charge
from serving.coalescing import Coalescer, InPlace
from serving.errors import Code, JubakoError
from serving.rows import Finished, Output
from serving.scheduler import Backend
from serving.telemetry.metrics import ModelMetrics
from serving.telemetry.request_context import CURRENT, Stage, computed_stages

LIGHT_CHARACTERS = 65_536
"""Characters that are hashed on the event loop in one turn: some 3 ms of work."""

RECORD_CHARACTERS = 1024
"""Characters whose hashing takes as long as looking up what a record has in its fields."""

SELF_TEST = "The lacquer box holds three trays."

Reader = Callable[[object], Any]
"""Turns what a caller sent into the text or record that is encoded, or raises `RecordError`."""


@dataclass(frozen=True)
class Result:
    """Outputs for the inputs of one request."""

    outputs: list[Output]
    """In the order of the inputs; an input at fault has its error in its place."""
    tokens: int
    encode_s: float = 0.0
    queue_s: float = 0.0
    compute_s: float = 0.0

    @property
    def errors(self) -> dict[int, JubakoError]:
        """Errors of single inputs, by index."""
        return {place: output for place, output in enumerate(self.outputs) if isinstance(output, JubakoError)}


@dataclass(frozen=True)
class Placement:
    """What computes, for people."""

    graph: str
    """The graph's file in the bundle."""
    device: str
    """The device and how it is divided."""


class Served(Protocol):
    """What the core and `/models` know of everything that is served."""

    manifest: Manifest
    placement: Placement

    @property
    def last_success_age_s(self) -> float:
        """Seconds since every part of it has computed something."""

    @property
    def fullness(self) -> float:
        """How much of its bound the fullest of its queues holds, from 0."""

    async def check(self, timeout_s: float) -> None:
        """Send one real inference the whole way, or raise what went wrong."""

    def close(self) -> None:
        """Let running work end and free what is held."""


class Model:
    """Reads and encodes inputs beside the event loop and hands the rows to a backend."""

    def __init__(
        self,
        manifest: Manifest,
        placement: Placement,
        features: Features,
        backend: Backend,
        encode_threads: int = 1,
        light: bool = False,
        probe: Any = SELF_TEST,
        name: str | None = None,
    ) -> None:
        """Take the parts; `light` says that encoding an input costs less than a way to a thread and back.

        `probe` is what `check` encodes: anything that `features` take. `name` is what metrics call it, where that is
        not the manifest's.
        """
        self.manifest = manifest
        self.placement = placement
        self._features = features
        self._backend = backend
        self._probe = probe
        self._metrics = ModelMetrics(name or manifest.name)
        self._threads = ThreadPoolExecutor(encode_threads, thread_name_prefix="encode")
        beside: Coalescer[_Request, _Encoded] = Coalescer(self._encode, self._threads, encode_threads)
        self._encoded: Callable[[_Request], Awaitable[_Encoded]] = (
            InPlace(self._encode, beside, _characters, LIGHT_CHARACTERS) if light else beside
        )

    @property
    def last_success_age_s(self) -> float:
        """Seconds since rows were last computed."""
        return monotonic() - self._backend.last_success

    @property
    def fullness(self) -> float:
        """How much of its bound the queue holds."""
        return self._backend.fullness

    @property
    def longest_input(self) -> str:
        """How much the model reads, for people."""
        return f"{self.manifest.max_tokens} tokens"

    async def run(
        self,
        inputs: Sequence[object],
        read: Reader,
        *,
        deadline: float,
        truncate: bool = True,
        params: Sequence[str] | None = None,
    ) -> Result:
        """Compute the outputs of inputs; `deadline` is a time of `time.monotonic`.

        An input that cannot be read, or is too long while `truncate` is false, is answered by its own error, which
        calls it by its place in `params`, or `inputs.<place>` without them.

        Raises:
            JubakoError: `overloaded`, `quota_exceeded` or `deadline`.
        """
        self._backend.refuse_if_full()
        begin = perf_counter()
        encoded = await self._encoded(_Request(inputs, read))
        encode_s = perf_counter() - begin
        self._metrics.encoded(encode_s)
        outputs: dict[int, Output] = {}
        rows: dict[int, FeatureRow] = {}
        for place, row in enumerate(encoded):
            if isinstance(row, RecordError):
                outputs[place] = _unreadable(_param(params, place), row)
            elif row.truncated and not truncate:
                outputs[place] = self._too_long(_param(params, place))
            else:
                rows[place] = row
        if not rows:
            return Result(list(outputs.values()), 0, encode_s)
        tokens = sum(map(len, rows.values()))
        charge(tokens)
        done = await self._computed(list(rows.values()), deadline, tokens, begin, encode_s)
        outputs.update(zip(rows, done.outputs, strict=True))
        return Result([outputs[place] for place in range(len(inputs))], tokens, encode_s, done.queue_s, done.compute_s)

    async def check(self, timeout_s: float) -> None:
        """Send one real inference the whole way.

        Raises:
            JubakoError: it failed or did not come back in time.
        """
        with at_own_cost():
            result = await self.run([self._probe], as_it_is, deadline=monotonic() + timeout_s)
        for error in result.errors.values():
            raise error

    def close(self) -> None:
        """Let running work end and stop the threads; what is held is freed with the last reference to this."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._backend.close()
        self._encoded = _closed  # what it was refers back to this model, which would then wait for a garbage collection

    async def _computed(
        self, rows: list[FeatureRow], deadline: float, tokens: int, begin: float, encode_s: float
    ) -> Finished:
        """Have rows computed that took `encode_s` from `begin`, and note what there is to tell."""
        context = CURRENT.get()
        if context is not None:
            context.tokens += tokens
            if context.span is not None:
                context.note(Stage("tokenize", begin, encode_s, {"jubako.rows": len(rows), "jubako.tokens": tokens}))
        try:
            done = await self._backend.run(rows, deadline)
        except JubakoError as error:
            self._metrics.failed(error.code)
            raise
        except asyncio.CancelledError:
            self._metrics.cancelled()
            raise
        if context is not None and context.span is not None and done.batch_rows:
            context.note(*computed_stages(begin + encode_s, done.queue_s, done.compute_s, done.batch_rows))
        return done

    def _encode(self, requests: Sequence["_Request"]) -> "list[_Encoded]":
        """Read the inputs of several requests and encode what was read in one call."""
        read = [[_attempt(request.read, value) for value in request.inputs] for request in requests]
        rows = iter(self._features.encode([one for each in read for one in each if not isinstance(one, RecordError)]))
        return [[one if isinstance(one, RecordError) else next(rows) for one in each] for each in read]

    def _too_long(self, param: str) -> JubakoError:
        message = f"more than {self.longest_input}; shorten the text or set truncate to true"
        return JubakoError(Code.TOO_LONG, message, param=param)


@dataclass(frozen=True)
class _Request:
    inputs: Sequence[object]
    read: Reader


_Encoded = list[FeatureRow | RecordError]


def _characters(request: _Request) -> float:
    """Return how many characters a request has to be read of; infinity where that takes more than a look."""
    return sum(map(_length, request.inputs))


def _length(value: object) -> float:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Record):
        return RECORD_CHARACTERS
    if not isinstance(value, dict):
        return 0
    return sum(len(field) if isinstance(field, str) else 0 if field is None else math.inf for field in value.values())


async def _closed(request: _Request) -> _Encoded:
    raise JubakoError(Code.NOT_READY, "this version of the model was freed", retry_after_s=1)


def as_it_is(value: object) -> object:
    """Read what has been read already."""
    return value


def _attempt(read: Reader, value: object) -> Any:
    try:
        return read(value)
    except RecordError as error:
        return error


def _param(params: Sequence[str] | None, place: int) -> str:
    return params[place] if params is not None else f"inputs.{place}"


def _unreadable(param: str, error: RecordError) -> JubakoError:
    field = "" if error.param is None else f".{error.param}"
    return JubakoError(Code.INVALID_VALUE, error.message, param=f"{param}{field}")
