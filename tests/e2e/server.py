"""A real `bentoml serve` in its own process, on a free port of the loopback."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

START_S = 60.0
LOG_S = 10.0
Pair = tuple[Path, Path]


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    grpc_port: int
    ca_file: Path | None = None

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

    def highest_memory_bytes(self) -> int:
        """The most that the server and its workers have been resident with, each at its own time."""
        processes = psutil.Process(self.process.pid).children(recursive=True)
        told = [Path(f"/proc/{process.pid}/status").read_text() for process in processes]
        return sum(int(text.partition("VmHWM:")[2].split()[0]) * 1024 for text in told)

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
    return start_with(folder, log, environment, target=target)


def start_with(
    folder: Path,
    log: Path,
    environment: Mapping[str, str],
    *arguments: str,
    target: str = ".",
    tls: Pair | None = None,
) -> Server:
    """Start a server with more arguments, which win over ours; `tls` is a key and its certificate."""
    port, grpc_port = free_port(), free_port()
    own = {"JUBAKO_GRPC_PORT": str(grpc_port), "BENTOML_HOME": str(own_home(log.parent / f"home-{port}"))}
    command = [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port), *arguments]
    if tls is not None:
        command += ["--ssl-keyfile", str(tls[0]), "--ssl-certfile", str(tls[1])]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **own, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    scheme, ca_file = ("http", None) if tls is None else ("https", tls[1])
    return Server(f"{scheme}://127.0.0.1:{port}", process, log, grpc_port, ca_file)


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
    with ready(start(folder, log, target, **environment)) as server:
        yield server


@contextmanager
def ready(server: Server) -> Iterator[Server]:
    """Wait for a server that was started, and stop it at the end."""
    try:
        wait_until_ready(server)
        yield server
    finally:
        server.stop()


def wait_until_ready(server: Server) -> None:
    """Wait for `/readyz`; a server that dies or takes too long fails with its log."""
    give_up = time.monotonic() + START_S
    verify = True if server.ca_file is None else ssl.create_default_context(cafile=str(server.ca_file))
    while time.monotonic() < give_up:
        if server.process.poll() is not None:
            break
        try:
            if httpx.get(f"{server.url}/readyz", timeout=2, verify=verify).status_code == 200:
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
