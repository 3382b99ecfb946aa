"""One measurement: load one server with one scenario, and watch both sides while it lasts."""

import fcntl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, process_time, sleep
from typing import IO, Self, TypeVar

import psutil

from loadtests.plan import Plan, Record
from loadtests.prometheus import BatchCounters
from loadtests.servers import ROOT, Server
from loadtests.summary import Window, summarise

ResultT = TypeVar("ResultT")

HTTP_CLIENT = ("loadtests.client_process",)

EDGE_S = 30.0
"""How long the load process may take beyond the plan's own times before it is given up."""


@dataclass(frozen=True)
class Sample:
    """What a server and the machine have spent so far."""

    at_s: float
    server_cpu_s: float
    machine_cpu_s: float
    counters: BatchCounters

    @classmethod
    def take(cls, server: Server, prefix: str | None) -> Self:
        """Look now. Without a metrics prefix the counters stay at zero."""
        counters = BatchCounters.parse(server.get("/metrics"), prefix) if prefix else BatchCounters()
        return cls(monotonic(), server.cpu_s(), machine_cpu_s(), counters)


@dataclass(frozen=True)
class Measurement:
    """What came of one scenario on one server in one round."""

    window: Window
    mean_batch: float
    padding_ratio: float
    server_cores: float
    """CPU time of all processes of the server over time."""
    other_cores: float
    """CPU time of the machine that neither server nor load process spent: what disturbed the measurement."""
    rss_mib: float


def measure(
    server: Server,
    plan: Plan,
    prefix: str | None = None,
    lock: Path | None = None,
    client: Sequence[str] = HTTP_CLIENT,
) -> tuple[Measurement, Record]:
    """Carry out a plan in a load process and return what came of it.

    Args:
        server: a running server; `plan.port` is its port.
        plan: what to send.
        prefix: of the server's batch counters at /metrics; None when it has none.
        lock: a file to hold locked meanwhile, so that measurements that share a machine take turns.
        client: module of the load process, and its arguments before the files.

    Raises:
        RuntimeError: the load process failed.
    """
    with tempfile.TemporaryDirectory() as folder, exclusive(lock):
        plan_file, record_file = Path(folder, "plan.json"), Path(folder, "record.npz")
        plan.write(plan_file)
        with _load_process([*client, str(plan_file), str(record_file)], plan) as marks:
            _await_mark(marks, "start")
            begin = Sample.take(server, prefix)
            _await_mark(marks, "stop")
            end = Sample.take(server, prefix)
        record = Record.read(record_file)
    return _combine(summarise(plan, record), begin, end, server.rss_bytes() / 2**20), record


def _combine(window: Window, begin: Sample, end: Sample, rss_mib: float) -> Measurement:
    seconds = end.at_s - begin.at_s
    counters = end.counters.since(begin.counters)
    server_cores = (end.server_cpu_s - begin.server_cpu_s) / seconds
    machine_cores = (end.machine_cpu_s - begin.machine_cpu_s) / seconds
    return Measurement(
        window=window,
        mean_batch=counters.mean_batch,
        padding_ratio=counters.padding_ratio,
        server_cores=server_cores,
        other_cores=max(0.0, machine_cores - server_cores - window.client_cores),
        rss_mib=rss_mib,
    )


@contextmanager
def _load_process(arguments: Sequence[str], plan: Plan) -> Iterator[IO[str]]:
    """Run the load process and yield its marks; it is gone afterwards, whatever happens."""
    with subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout
            code = process.wait(plan.grace_s + EDGE_S)
            if code:
                raise RuntimeError(f"the load process ended with status {code}; its error is above")
        finally:
            process.kill()


def _await_mark(marks: IO[str], word: str) -> None:
    line = marks.readline().strip()
    if line != word:
        raise RuntimeError(f"the load process said {line!r} instead of {word!r}; its error is above")


@contextmanager
def exclusive(lock: Path | None) -> Iterator[None]:
    """Hold a lock file, if there is one, and wait for whoever holds it now."""
    with nullcontext() if lock is None else lock.open("a") as file:
        if file is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def beside_others(work: Callable[[], ResultT]) -> tuple[ResultT, float]:
    """Do some work in this process; return its result and the cores that the rest of the machine took meanwhile."""
    begin, own, machine = monotonic(), process_time(), machine_cpu_s()
    result = work()
    others = (machine_cpu_s() - machine) - (process_time() - own)
    return result, max(0.0, others / (monotonic() - begin))


def machine_cpu_s() -> float:
    """Return the CPU time that everything on this machine has spent so far."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def idle_percent(server: Server, seconds: float) -> float:
    """Return the CPU that a server spends without any load, in percent of one core."""
    begin, before = monotonic(), server.cpu_s()
    sleep(seconds)
    return 100 * (server.cpu_s() - before) / (monotonic() - begin)
