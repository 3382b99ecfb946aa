"""The two ways to load a server.

A closed loop has N clients that send the next request when they have the answer to the last: it finds the capacity. An
open loop sends at Poisson arrivals whatever the server does, and counts each latency from the moment the request was
*due*: a server that stalls for a second is charged for everybody who arrived in that second.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loadtests.http_client import Connection, Line
from loadtests.plan import LOST, NS, Plan, Record, render

RECONNECT_S = 0.1
"""Pause before a connection that broke is opened again."""


def poisson_schedule(rate_per_s: float, duration_s: float, seed: int) -> NDArray[np.int64]:
    """Return the arrival times of a Poisson process in [0, duration), in nanoseconds, ascending."""
    rng = np.random.default_rng(seed)
    expected = rate_per_s * duration_s
    gaps = rng.exponential(1 / rate_per_s, int(expected + 10 * expected**0.5 + 20))
    times = np.cumsum(gaps)  # [arrivals]
    return (times[times < duration_s] * NS).astype(np.int64)


@dataclass
class Jobs:
    """Requests of a run, column by column."""

    due_ns: list[int] = field(default_factory=list)
    sent_ns: list[int] = field(default_factory=list)
    done_ns: list[int] = field(default_factory=list)
    status: list[int] = field(default_factory=list)

    def add(self, due_ns: int) -> int:
        """Add a request and return its number."""
        for column, value in ((self.due_ns, due_ns), (self.sent_ns, 0), (self.done_ns, 0), (self.status, LOST)):
            column.append(value)
        return len(self.due_ns) - 1


class Loop:
    """What both ways share: connections, the window, and the record."""

    def __init__(self, plan: Plan, mark: Callable[[str], None]) -> None:
        self._plan = plan
        self._mark = mark
        self._data = render(plan)
        self._jobs = Jobs()
        self._under_way = 0
        self._open = 0
        """Connections that are open or being opened."""
        self._lines: set[Line] = set()
        self._stopped = False
        self._drained: asyncio.Future[None] | None = None

    async def run(self) -> Record:
        """Warm up, load the server for the window, wait for the last answers, and return the record."""
        self._begin()
        await asyncio.sleep(self._plan.warmup_s)
        self._mark("start")
        start, cpu = time.perf_counter_ns(), time.process_time()
        await asyncio.sleep(self._plan.duration_s)
        stop, cpu = time.perf_counter_ns(), time.process_time() - cpu
        self._mark("stop")
        await self._drain()
        return self._record(start, stop, cpu)

    def opened(self, line: Line) -> None:
        """Count a new connection and use it."""
        self._lines.add(line)
        self._ready(line)

    def answered(self, line: Line, status: int) -> None:
        """Write down an answer."""
        job, line.job = line.job, -1
        self._jobs.done_ns[job] = time.perf_counter_ns()
        self._jobs.status[job] = status
        self._under_way -= 1
        if not line.closing:
            self._ready(line)
        if self._drained is not None and not self._pending() and not self._drained.done():
            self._drained.set_result(None)

    def closed(self, line: Line) -> None:
        """Let go of a connection."""
        self._lines.discard(line)
        self._open -= 1

    def _begin(self) -> None:
        raise NotImplementedError

    def _ready(self, line: Line) -> None:
        raise NotImplementedError

    def _pending(self) -> int:
        """Requests of the run that still want an answer."""
        return self._under_way

    def _send(self, line: Line, job: int) -> None:
        self._jobs.sent_ns[job] = time.perf_counter_ns()
        self._under_way += 1
        line.send(job, self._data[job % len(self._data)])

    def _connect(self) -> None:
        self._open += 1
        task = asyncio.ensure_future(
            asyncio.get_running_loop().create_connection(lambda: Connection(self), self._plan.host, self._plan.port)
        )
        task.add_done_callback(self._connected)

    def _connected(self, task: "asyncio.Future[tuple[asyncio.Transport, Connection]]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._open -= 1
            asyncio.get_running_loop().call_later(RECONNECT_S, self._reconnect)

    def _reconnect(self) -> None:
        if not self._stopped and self._open < self._plan.connections:
            self._connect()

    async def _drain(self) -> None:
        self._stopped = True
        if self._pending():
            self._drained = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._drained], timeout=self._plan.grace_s)
        for line in list(self._lines):
            line.close()

    def _record(self, start_ns: int, stop_ns: int, cpu_s: float) -> Record:
        """Return every request of the run; those without an answer by now count as lost now."""
        now = time.perf_counter_ns()
        due, sent, done, status = (np.array(column, dtype=np.int64) for column in vars(self._jobs).values())
        return Record(
            due_ns=due - start_ns,
            sent_ns=np.where(sent == 0, now, sent) - start_ns,
            done_ns=np.where(done == 0, now, done) - start_ns,
            status=status,
            request=np.arange(len(due)) % len(self._data),
            window_s=(stop_ns - start_ns) / NS,
            client_cpu_s=cpu_s,
        )


class ClosedLoop(Loop):
    """N connections, each of which sends its next request when the last is answered."""

    def _begin(self) -> None:
        for _ in range(self._plan.connections):
            self._connect()

    def closed(self, line: Line) -> None:
        """Replace a connection that broke."""
        super().closed(line)
        if not self._stopped:
            asyncio.get_running_loop().call_later(RECONNECT_S, self._reconnect)

    def _ready(self, line: Line) -> None:
        if not self._stopped:
            self._send(line, self._jobs.add(time.perf_counter_ns()))


class OpenLoop(Loop):
    """Requests at Poisson arrivals, on as many connections as are needed, at most `plan.connections`."""

    def __init__(self, plan: Plan, mark: Callable[[str], None]) -> None:
        super().__init__(plan, mark)
        assert plan.rate_per_s is not None
        self._schedule = deque(poisson_schedule(plan.rate_per_s, plan.warmup_s + plan.duration_s, plan.seed).tolist())
        self._origin_ns = 0
        self._waiting: deque[int] = deque()
        self._free: deque[Line] = deque()

    def closed(self, line: Line) -> None:
        """Open another connection for those who wait."""
        super().closed(line)
        self._match()

    def _begin(self) -> None:
        self._origin_ns = time.perf_counter_ns()
        self._arrive()

    def _ready(self, line: Line) -> None:
        self._free.append(line)  # the longest unused goes first, so that none idles into the server's timeout
        self._match()

    def _pending(self) -> int:
        return self._under_way + len(self._waiting)

    def _arrive(self) -> None:
        """Let everybody in who is due by now, and come back for the next."""
        now = time.perf_counter_ns() - self._origin_ns
        while self._schedule and self._schedule[0] <= now:
            self._waiting.append(self._jobs.add(self._origin_ns + self._schedule.popleft()))
        self._match()
        if self._schedule and not self._stopped:
            delay_ms = math.ceil((self._schedule[0] - now) / 1e6)  # rounded down, the loop would spin until then
            asyncio.get_running_loop().call_later(delay_ms / 1000, self._arrive)

    def _match(self) -> None:
        while self._waiting and self._free:
            line = self._free.popleft()
            if not line.closing:
                self._send(line, self._waiting.popleft())
        if self._waiting and self._open < self._plan.connections:
            self._connect()
