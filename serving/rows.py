"""What travels through the scheduler: a ticket for each request, a row for each of its inputs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.rows import FeatureRow
from serving.errors import Code, JubakoError

Vector = NDArray[np.float32]  # [outputs]
Output = Vector | JubakoError
Clock = Callable[[], float]


@dataclass(frozen=True)
class Finished:
    """One request's rows, done."""

    outputs: list[Output]
    """In the order of the rows."""
    queue_s: float
    """Seconds from arrival to the first row's start."""
    compute_s: float
    """Longest compute time of any micro-batch that carried one of the rows."""
    batch_rows: int = 0
    """Rows of the largest of these micro-batches; 0: another process computed them, and tells its own spans."""


@dataclass(eq=False, slots=True)
class Ticket:
    """One request on its way through the scheduler."""

    future: asyncio.Future[None]
    deadline: float
    arrived: float
    remaining: int
    started: float = 0.0
    compute_s: float = 0.0
    batch_rows: int = 0
    outputs: list[Output] = field(init=False)

    def __post_init__(self) -> None:
        self.outputs = [_UNANSWERED] * self.remaining

    def start(self, now: float, batch_rows: int) -> None:
        """Note that a row's micro-batch began to compute."""
        self.started = self.started or now
        self.batch_rows = max(self.batch_rows, batch_rows)

    def answer(self, index: int, output: Output, compute_s: float = 0.0) -> None:
        """Take one row's output; the last one wakes the caller."""
        self.outputs[index] = output
        self.compute_s = max(self.compute_s, compute_s)
        self.remaining -= 1
        if not self.remaining and not self.future.done():
            self.future.set_result(None)

    def finished(self) -> Finished:
        """Return what the caller gets."""
        return Finished(self.outputs, self.started - self.arrived, self.compute_s, self.batch_rows)


@dataclass(eq=False, slots=True)
class Row:
    """One encoded input that waits for the device."""

    features: FeatureRow
    tokens: int
    sequence: int
    index: int
    ticket: Ticket
    clock: Clock

    @property
    def dead(self) -> bool:
        """Whether the caller has left or its deadline has passed: such rows never reach the device."""
        return self.ticket.future.done() or self.clock() >= self.ticket.deadline

    def answer(self, output: Output, compute_s: float = 0.0) -> None:
        """Give this row's output to its ticket."""
        self.ticket.answer(self.index, output, compute_s)


_UNANSWERED = JubakoError(Code.FAILED, "not computed")
