"""Containers of the serving image, as hardened as the chart makes them, on free ports of the loopback."""

import json
import os
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.server import free_port

START_S = 60.0
STOP_S = 30
ROOT = Path(__file__).parent.parent.parent
HARDENED = (
    "--no-healthcheck", "--network", "host", "--read-only", "--tmpfs", "/tmp:rw,nosuid,nodev,size=256m,mode=1777",
    "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
)  # fmt: skip


def project_version() -> str:
    """Return the version that images are tagged with."""
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return version


@cache
def engine() -> str:
    """Return the program that runs containers, or skip the test where there is none."""
    name = shutil.which(os.environ.get("BACKEND", "podman").replace("buildah", "podman")) or shutil.which("docker")
    if name is None:
        pytest.skip("neither podman nor docker is installed; deploy/image/sandbox.sh brings podman")
    return name


def ask(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the engine with these arguments."""
    done = subprocess.run([engine(), *arguments], capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done


@cache
def image() -> str:
    """Return the CPU image's name, or skip the test where it has not been built."""
    name = os.environ.get("JUBAKO_IMAGE") or f"jubako:{project_version()}-cpu"
    if ask("image", "inspect", name, check=False).returncode:
        pytest.skip(
            f"no image {name}; build it with `make image`, where there is no registry by deploy/image/sandbox.sh"
        )
    return name


def inspected() -> dict[str, Any]:
    """Return what the engine tells of the image."""
    told: dict[str, Any] = json.loads(ask("image", "inspect", image()).stdout)[0]
    return told


@dataclass(frozen=True)
class Container:
    name: str
    url: str
    grpc_address: str
    ready_s: float

    def python(self, script: str) -> str:
        """Run a script with the container's interpreter, as its user, and return what it prints."""
        return ask("exec", self.name, "python", "-S", "-c", script).stdout

    def log(self) -> str:
        return _log(self.name)


@contextmanager
def serving(*options: str, **environment: str) -> Iterator[Container]:
    """Run the image until it is ready, and remove the container at the end."""
    port, grpc_port = free_port(), free_port()
    own = {
        "BENTOML_HOST": "127.0.0.1", "BENTOML_PORT": str(port),
        "JUBAKO_GRPC_PORT": str(grpc_port), "JUBAKO_GRPC__HOST": "127.0.0.1",
    }  # fmt: skip
    variables = [part for name, value in {**own, **environment}.items() for part in ("--env", f"{name}={value}")]
    name = f"jubako-test-{port}"
    begin = time.monotonic()
    ask("run", "--detach", "--name", name, *HARDENED, *options, *variables, image())
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, name)
        yield Container(name, url, f"127.0.0.1:{grpc_port}", time.monotonic() - begin)
    finally:
        ask("rm", "--force", "--time", "5", name, check=False)


def wait_until_ready(url: str, name: str) -> None:
    """Wait for `/readyz`; a container that ends or takes too long fails with its log."""
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        if ask("inspect", "--format", "{{.State.Status}}", name).stdout.strip() == "exited":
            break
        time.sleep(0.1)
    raise AssertionError(_log(name))


def _log(name: str) -> str:
    done = ask("logs", name)
    return done.stdout + done.stderr
