"""A real Prometheus in its own process, on a free port of the loopback."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.e2e.server import free_port

START_S = 30.0
SCRAPE_S = 1


@dataclass(frozen=True)
class Prometheus:
    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression now.

        Raises:
            AssertionError: it is none.
        """
        response = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30)
        if response.status_code == 503:
            response.raise_for_status()
        told = response.json()
        assert told["status"] == "success", f"{expression}: {told.get('error')}"
        result: list[dict[str, Any]] = told["data"]["result"]
        return result

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules with their health."""
        groups = httpx.get(f"{self.url}/api/v1/rules", timeout=30).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def wait_for(self, expression: str, seconds: float = START_S) -> None:
        """Wait until an expression has a series."""
        give_up = time.monotonic() + seconds
        while True:
            try:
                if self.query(expression):
                    return
            except (httpx.TransportError, httpx.HTTPStatusError):  # it is starting
                pass
            assert time.monotonic() < give_up, f"{expression} has no data"
            time.sleep(0.2)


def find(name: str) -> str | None:
    """Return where a program of Prometheus is: installed, or where `make prometheus` puts it."""
    return shutil.which(str(Path(sys.executable).parent / name)) or shutil.which(name)


@contextmanager
def scraping(folder: Path, scratch: Path, target: str, rules: Mapping[str, str]) -> Iterator[Prometheus]:
    """Run Prometheus with the configuration in `folder`, which asks `target` every second, and rules by their files."""
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    (scratch / "prometheus.yml").write_text(yaml.safe_dump(config))
    for name, text in rules.items():
        (scratch / name).write_text(text)
    program, port = find("prometheus"), free_port()
    assert program is not None
    with (scratch / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program, f"--config.file={scratch / 'prometheus.yml'}", f"--storage.tsdb.path={scratch / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=1h",
            ],
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        prometheus.wait_for("up == 1")
        yield prometheus
    finally:
        process.terminate()
        process.wait(20)
