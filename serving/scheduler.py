"""The scheduler: one per device, an actor on the event loop.

Rows come in as messages, results go out as futures. All state belongs to the loop's thread: there are no locks, and
nothing polls. It acts on two events, a row that arrives and a micro-batch that is done, and does the same at both:
while a lane has room, cut the next micro-batch and start it. One micro-batch more than there are lanes is handed over
in advance, so that a lane goes from one to the next without a trip to the event loop.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from features.rows import FeatureRow
from serving.admission import Admission
from serving.batching import Budget, WaitingRoom
from serving.errors import Code, JubakoError
from serving.handover import to_loop
from serving.rows import Clock, Finished, Row, Ticket
from serving.telemetry.metrics import SchedulerMetrics

Outputs = NDArray[np.float32]  # [rows, outputs], or [rows, 2, depth] of a search


SOLO_BATCHES = 4
"""Micro-batches in a row that met no other before one is given the whole device: with two callers taking turns, lanes
side by side do more than the whole device for each in turn."""


class Backend(Protocol):
    """What answers rows: a scheduler here, or one in a runner process."""

    @property
    def last_success(self) -> float:
        """Time, by `time.monotonic`, at which rows were last computed."""

    @property
    def fullness(self) -> float:
        """How much of its bound the queue holds, from 0, as far as that is known here."""

    def refuse_if_full(self) -> None:
        """Raise `overloaded` before a request costs anything, when the queue is known to be at its bound."""

    async def run(self, rows: Sequence[FeatureRow], deadline: float) -> Finished:
        """Compute rows before `deadline`, a time of `time.monotonic`."""

    def close(self) -> None:
        """Let running work end and free what is held."""


class Device(Protocol):
    """What computes micro-batches. `compute` is called from `lanes` threads at once."""

    lanes: int
    """Micro-batches that run side by side."""

    def compute(self, rows: Sequence[FeatureRow], alone: bool) -> "Computed":
        """Compute one micro-batch; `alone` says that nothing else runs or waits, so the whole device may be used."""


@dataclass(frozen=True)
class Computed:
    """One micro-batch, done."""

    outputs: Outputs
    padded_tokens: int
    """Tokens including padding: what the device worked on."""
    seconds: float


class Scheduler:
    """Turns rows from many requests into micro-batches for one device."""

    def __init__(
        self,
        device: Device,
        budget: Budget,
        admission: Admission,
        metrics: SchedulerMetrics,
        clock: Clock = time.monotonic,
    ) -> None:
        self.last_success = -float("inf")
        """Clock time at which the device last computed a micro-batch."""
        self._device = device
        self._admission = admission
        self._metrics = metrics
        self._clock = clock
        self._room: WaitingRoom[Row] = WaitingRoom(budget)
        self._threads = ThreadPoolExecutor(device.lanes, thread_name_prefix="lane")
        self._running = 0
        self._whole_device_taken = False
        self._solo = SOLO_BATCHES
        self._sequence = itertools.count()

    @property
    def fullness(self) -> float:
        """How much of its bound the queue holds."""
        return self._admission.fullness

    def refuse_if_full(self) -> None:
        """Refuse early, before a request costs anything.

        Raises:
            JubakoError: `overloaded`, when the queue is at its bound.
        """
        self._admission.refuse_if_full()

    async def run(self, rows: Sequence[FeatureRow], deadline: float) -> Finished:
        """Compute rows; `deadline` is a time of this scheduler's clock.

        A row that the device cannot compute is answered by an error in its place; the others are not touched.
        Cancelling the caller abandons its rows: they never reach the device.

        Raises:
            JubakoError: `overloaded` when the queue is at its bound, `deadline` when that has passed.
        """
        tokens = sum(row.tokens for row in rows)
        self._refuse_if_late(deadline)
        self._admission.admit(tokens)
        try:
            ticket = self._enter(rows, deadline)
            async with asyncio.timeout(deadline - self._clock()):
                await ticket.future
        except TimeoutError as error:
            self._room.note_dead(len(rows))
            raise _late() from error
        except asyncio.CancelledError:
            self._room.note_dead(len(rows))
            raise
        finally:
            self._admission.release(tokens)
        self._refuse_if_late(deadline)
        return ticket.finished()

    def close(self) -> None:
        """Stop the lanes after the micro-batches they have begun."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._metrics.freed()

    def _refuse_if_late(self, deadline: float) -> None:
        if self._clock() >= deadline:
            raise _late()

    def _enter(self, rows: Sequence[FeatureRow], deadline: float) -> Ticket:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ticket = Ticket(future, deadline, self._clock(), len(rows))
        if self._running:
            self._solo = 0
        for index, features in enumerate(rows):
            self._room.add(Row(features, features.tokens, next(self._sequence), index, ticket, self._clock))
        self._dispatch()
        return ticket

    def _dispatch(self) -> None:
        while self._has_room() and (rows := self._room.cut()):
            self._start(rows)

    def _has_room(self) -> bool:
        return not self._whole_device_taken and self._running <= self._device.lanes

    def _start(self, rows: list[Row]) -> None:
        alone = self._running == 0 and not len(self._room) and self._solo >= SOLO_BATCHES
        self._whole_device_taken = alone
        self._running += 1
        loop = asyncio.get_running_loop()
        job = self._threads.submit(self._compute, rows, alone)
        job.add_done_callback(lambda job: to_loop(loop, self._done, rows, job))

    def _compute(self, rows: list[Row], alone: bool) -> tuple[list[Row], Computed] | None:
        """Run in a lane's thread; rows may have died since their micro-batch was cut."""
        alive = [row for row in rows if not row.dead]
        return (alive, self._device.compute([row.features for row in alive], alone)) if alive else None

    def _done(self, rows: list[Row], job: "Future[tuple[list[Row], Computed] | None]") -> None:
        self._running -= 1
        self._whole_device_taken = False
        self._solo += 1
        error = job.exception()
        if error is None:
            if computed := job.result():
                self._deliver(*computed)
        elif len(rows) == 1:
            rows[0].answer(JubakoError(Code.FAILED, f"the model could not compute this input: {error}"))
        else:
            self._isolate(rows)
        self._dispatch()

    def _deliver(self, rows: list[Row], computed: Computed) -> None:
        now = self._clock()
        tokens = sum(row.tokens for row in rows)
        self.last_success = now
        self._admission.observe(tokens * self._device.lanes, computed.seconds)
        self._metrics.computed(len(rows), tokens, computed.padded_tokens, computed.seconds)
        finite = np.isfinite(computed.outputs.reshape(len(rows), -1).sum(axis=1))  # [rows]
        for row, output, good in zip(rows, computed.outputs, finite, strict=True):
            row.ticket.start(now - computed.seconds, len(rows))
            self._metrics.waited(now - computed.seconds - row.ticket.arrived)
            row.answer(output if good else JubakoError(Code.FAILED, _NOT_FINITE), computed.seconds)

    def _isolate(self, rows: list[Row]) -> None:
        """Split a micro-batch that failed, until the row at fault fails alone."""
        self._metrics.isolated()
        half = len(rows) // 2
        self._start(rows[:half])
        self._start(rows[half:])


_NOT_FINITE = "the model gave an output that is not finite"


def _late() -> JubakoError:
    return JubakoError(Code.DEADLINE, "the deadline passed before the answer was ready")
