"""A real `bentoml serve` in its own process, on a free port of the loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

START_S = 60.0
LOG_S = 10.0


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    grpc_port: int

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def memory_bytes(self) -> int:
        """Resident memory of the server and its workers."""
        parent = psutil.Process(self.process.pid)
        return sum(process.memory_info().rss for process in [parent, *parent.children(recursive=True)])

    def await_log(self, *lines: str) -> None:
        """Wait until the log holds all of these; it is written in batches."""
        give_up = time.monotonic() + LOG_S
        while not all(line in (log := self.log.read_text()) for line in lines):
            assert time.monotonic() < give_up, log
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask the server to stop, as an orchestrator would, and wait until it has."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)


def start(folder: Path, log: Path, target: str = ".", **environment: str) -> Server:
    """Start a server in `folder`, not waiting for it."""
    port, grpc_port = free_port(), free_port()
    own = {
        "JUBAKO_GRPC_PORT": str(grpc_port),
        "JUBAKO_GRPC__HOST": "127.0.0.1",
        "BENTOML_HOME": str(own_home(log.parent / f"home-{port}")),
    }
    command = [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **own, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Server(f"http://127.0.0.1:{port}", process, log, grpc_port)


def own_home(folder: Path) -> Path:
    """Make `folder` a BentoML home with the models and Bentos of the tests' own.

    A server that starts empties the metrics in its home, also those of another one that runs there.
    """
    folder.mkdir()
    for store in ("models", "bentos"):
        shared = Path(os.environ["BENTOML_HOME"]) / store
        shared.mkdir(exist_ok=True)
        (folder / store).symlink_to(shared)
    return folder


@contextmanager
def running(folder: Path, log: Path, target: str = ".", **environment: str) -> Iterator[Server]:
    """Run a server that is ready, and stop it at the end."""
    server = start(folder, log, target, **environment)
    try:
        wait_until_ready(server)
        yield server
    finally:
        server.stop()


def wait_until_ready(server: Server) -> None:
    """Wait for `/readyz`; a server that dies or takes too long fails with its log."""
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up:
        if server.process.poll() is not None:
            break
        try:
            if httpx.get(f"{server.url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the server did not become ready:\n{server.log.read_text()}")


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
