"""Servers under test: real processes on a free loopback port, started, watched and stopped by process id."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import psutil

ROOT = Path(__file__).resolve().parent.parent
"""The repository: servers are started from here."""

START_S = 90.0
"""Longest start that is waited for."""

STOP_S = 10.0
PROBE_S = 0.1


class Server:
    """One server and the processes it has started, as a context: ready inside, gone after."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        env: Mapping[str, str] | None = None,
        probe: str = "/readyz",
        log: Path | None = None,
    ) -> None:
        self.port = port
        self.grpc_port = free_port()
        """For those that serve gRPC besides; each server has its own, since several run side by side."""
        self.log = log
        self._command = list(command)
        common = {"PYTHONPATH": str(ROOT), "BENTOML_DO_NOT_TRACK": "True"}
        grpc = {"JUBAKO_GRPC_PORT": str(self.grpc_port), "JUBAKO_GRPC__HOST": "127.0.0.1"}
        self._env = {**os.environ, **common, **grpc, **(env or {})}
        self._probe = probe
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the server and wait until it is ready.

        Raises:
            RuntimeError: it ended, or was not ready in time; the message has the end of its log.
        """
        with (self.log or Path(os.devnull)).open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._env, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    def stop(self) -> None:
        """Ask the first process to end, which ends those it has started, and end what is left then."""
        if self._process is None:
            return
        processes = self.processes()
        self._signal(signal.SIGCONT)
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=STOP_S)
        self._process.wait(STOP_S)

    def pause(self) -> None:
        """Freeze the server, so that it costs nothing while another one is measured."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def processes(self) -> list[psutil.Process]:
        """Return the server's process and all that descend from it, itself first."""
        if self._process is None:
            return []
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_s(self) -> float:
        """Return the CPU time, user and system, that all its processes have spent so far."""
        total = 0.0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def rss_bytes(self) -> int:
        """Return the resident memory of all its processes."""
        total = 0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                total += int(process.memory_info().rss)
        return total

    def pin(self, core: int) -> None:
        """Confine all its processes and their threads to one core."""
        for process in self.processes():
            for thread in process.threads():
                os.sched_setaffinity(thread.id, {core})

    def get(self, path: str) -> str:
        """Return the body of a GET."""
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=STOP_S) as answer:
            return str(answer.read().decode())

    def post(self, path: str, body: str) -> str:
        """Return the body of the answer to a POST of JSON."""
        request = HttpRequest(
            f"http://127.0.0.1:{self.port}{path}", body.encode(), {"content-type": "application/json"}
        )
        with urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())

    def _wait_ready(self) -> None:
        """Probe until the server answers; from outside a process there is nothing to wait on but its port."""
        assert self._process is not None
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            with suppress(URLError, OSError):
                self.get(self._probe)
                return
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(PROBE_S)
                raise RuntimeError(f"{self._what()} ended with status {code} before it was ready{self._log_tail()}")
        raise RuntimeError(f"{self._what()} was not ready after {START_S:.0f} s{self._log_tail()}")

    def _what(self) -> str:
        return " ".join(self._command[:6])

    def _log_tail(self) -> str:
        text = self.log.read_text(errors="replace")[-1500:] if self.log else ""
        return f"; the end of its log:\n{text}" if text else ""

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def bentoml_serve(service: str, port: int) -> list[str]:
    """Return the command that serves `module:Class` of this repository with BentoML, as `bentoml serve` does."""
    return [sys.executable, "-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", str(port)]
