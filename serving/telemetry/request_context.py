"""What is learnt about one request on its way, for its log line and its spans; nothing of what it holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

from opentelemetry.trace import Span

from bundle.manifest import Manifest
from serving.errors import Code

MOST_STAGES = 64
"""Stages of one request that become spans; a stream of many requests has more."""


class Stage(NamedTuple):
    """One part of a request's way."""

    name: str
    begin: float
    """Time of `time.perf_counter`."""
    seconds: float
    told: dict[str, str | int]
    """Attributes of its span."""


@dataclass(eq=False, slots=True)
class RequestContext:
    """One request; written to by whoever has it in hand, read when it ends."""

    request_id: str
    trace_id: str | None = None
    """32 hexadecimal digits; None: there is no trace."""
    span: Span | None = None
    """None: it is not recorded."""
    code: Code | None = None
    """What went wrong."""
    model: str | None = None
    version: str | None = None
    inputs: int = 0
    tokens: int = 0
    begin: float = field(default_factory=perf_counter)
    stages: tuple[Stage, ...] = ()
    """Filled only where there is a span."""

    def note(self, *stages: Stage) -> None:
        """Note stages of a request that has a span."""
        if len(self.stages) < MOST_STAGES:
            self.stages += stages


def computed_stages(begin: float, queue_s: float, compute_s: float, batch_rows: int) -> tuple[Stage, Stage]:
    """Return the stages of rows that were handed to a scheduler at `begin`."""
    compute = Stage("compute", begin + queue_s, compute_s, {"jubako.batch_rows": batch_rows})
    return Stage("queue", begin, queue_s, {}), compute


CURRENT: ContextVar[RequestContext | None] = ContextVar("request", default=None)
"""The request that the running task is about."""


@contextmanager
def of_no_request() -> Iterator[None]:
    """Do something beside the request that gives rise to it."""
    token = CURRENT.set(None)
    try:
        yield
    finally:
        CURRENT.reset(token)


def note_model(manifest: Manifest, inputs: int = 1) -> None:
    """Note which model a request is answered by, and how many inputs it has."""
    if (context := CURRENT.get()) is not None:
        context.model, context.version = manifest.name, manifest.version
        context.inputs += inputs
