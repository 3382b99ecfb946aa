"""The HTTP floor: `python -m loadtests.floor [--bundle text] [--out DIR] [--lock FILE]`.

How many requests a second one worker answers when there is nothing to compute, layer by layer, and so what each layer
costs. The server is pinned to one core and the load process to another; requests/s are told as measured and divided by
the cores that the server used, since a server that waits has not been slow. Takes about three minutes.
"""

import argparse
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bundle.store import find
from loadtests.arms import own_home
from loadtests.floor_apps import BUNDLE
from loadtests.machine import describe_machine, describe_versions
from loadtests.measure import measure
from loadtests.plan import Plan, Request
from loadtests.report import table
from loadtests.servers import ROOT, Server, bentoml_serve, free_port
from loadtests.summary import Spread

CONNECTIONS = 16
ROUNDS = 3
WINDOW_S = 3.0
WARMUP_S = 1.0
SERVER_CORE, CLIENT_CORE = 0, 1
TARGET_PER_CORE = 2500.0
REQUEST = Request(json.dumps({"inputs": ["a lacquer box holds three trays of rice"]}), texts=1, tokens=11)

METRICS = {"metrics": {"enabled": False}}
ACCESS_LOG = {"logging": {"access": {"enabled": False}}}
TRACING = {"excluded_urls": "embed"}
"""OpenTelemetry's middleware cannot be left out; excluding the path skips its spans."""


@dataclass(frozen=True)
class Layer:
    """One server whose floor is measured."""

    title: str
    app: str
    """In `loadtests.floor_apps`."""
    config: Mapping[str, object] = field(default_factory=dict)
    """Overrides of BentoML's configuration for this service."""
    tracing: Mapping[str, str] = field(default_factory=dict)


LAYERS = (
    Layer("plain uvicorn", "plain"),
    Layer("BentoML, mounted ASGI app", "Mounted"),
    Layer("  without metrics", "Mounted", METRICS),
    Layer("  without access log", "Mounted", ACCESS_LOG),
    Layer("  without tracing", "Mounted", tracing=TRACING),
    Layer("  without all three", "Mounted", {**METRICS, **ACCESS_LOG}, TRACING),
    Layer("BentoML, native API", "Native"),
    Layer("  without all three", "Native", {**METRICS, **ACCESS_LOG}, TRACING),
    Layer("Jubako's front", "FrontOnly"),
    Layer("Jubako without a graph", "Engineless"),
)


@dataclass(frozen=True)
class Floor:
    """What was measured of one layer."""

    title: str
    per_s: Spread
    """Requests a second."""
    per_core: Spread
    """Requests a second for each core that the server used."""
    p99_ms: Spread

    @property
    def cost_us(self) -> float:
        """CPU time of one request in microseconds."""
        return 1e6 / self.per_core.median


def start(layer: Layer, bundle: str, folder: Path) -> Server:
    """Return a layer's server, not started yet."""
    port = free_port()
    if layer.app == "plain":
        command = [sys.executable, "-m", "uvicorn", "loadtests.floor_apps:plain", "--port", str(port)]
        return Server([*command, "--no-access-log", "--log-level", "warning"], port, {}, "/", folder / "plain.log")
    overrides = {"services": {layer.app.lower(): layer.config}, "tracing": layer.tracing}
    env = {
        "BENTOML_CONFIG_OVERRIDES": json.dumps({key: value for key, value in overrides.items() if value}),
        "BENTOML_HOME": str(own_home(folder / f"{layer.app}-{port}", find(bundle))),
        BUNDLE: bundle,
    }
    command = bentoml_serve(f"loadtests.floor_apps:{layer.app}", port)
    return Server(command, port, env, log=folder / f"{layer.app}-{port}.log")


def run(layers: Sequence[Layer], bundle: str, lock: Path | None) -> list[Floor]:
    """Measure every layer in every round, the servers frozen while it is not their turn."""
    found: list[list[tuple[float, float, float]]] = [[] for _ in layers]
    with TemporaryDirectory() as folder, ExitStack() as stack:
        servers = [stack.enter_context(start(layer, bundle, Path(folder))) for layer in layers]
        for server in servers:
            server.pin(SERVER_CORE)
            server.pause()
        for number in range(ROUNDS):
            for layer, server, figures in zip(layers, servers, found, strict=True):
                server.resume()
                figures.append(_measure(server, lock))
                server.pause()
                print(f"round {number + 1}, {layer.title.strip()}: {figures[-1][0]:.0f}/s", file=sys.stderr)
    columns = [[Spread.of(column) for column in zip(*figures, strict=True)] for figures in found]
    return [Floor(layer.title, *column) for layer, column in zip(layers, columns, strict=True)]


def _measure(server: Server, lock: Path | None) -> tuple[float, float, float]:
    """Return requests/s, requests/s per core and the 99th percentile in milliseconds."""
    plan = Plan(server.port, [REQUEST], CONNECTIONS, WINDOW_S, WARMUP_S, core=CLIENT_CORE)
    measurement, _ = measure(server, plan, lock=lock)
    window = measurement.window
    if window.failures:
        raise RuntimeError(f"{window.failures} requests failed: {window.statuses}")
    return window.texts_per_s, window.texts_per_s / measurement.server_cores, window.p99_ms


def markdown(floors: Sequence[Floor]) -> list[str]:
    """Return the report as lines of Markdown."""
    rows = [
        (floor.title, floor.per_s.show(0), floor.per_core.show(0), f"{floor.cost_us:.0f}", floor.p99_ms.show(1))
        for floor in floors
    ]
    head = ("layer", "requests/s", "requests/s per core", "CPU of a request, us", "p99 ms")
    facts = [f"- {key}: {value}" for key, value in {**describe_machine(), **describe_versions()}.items()]
    protocol = (
        f"- {CONNECTIONS} connections, {ROUNDS} rounds of {WINDOW_S:g} s, server and load process on a core each, "
        "answer: one 384-d vector as JSON; median (smallest-largest)"
    )
    return ["# HTTP floor of one worker", "", *facts, protocol, "", *table(head, rows)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write floor.md and floor.json."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.floor", description="Measure the HTTP floor by layers.")
    parser.add_argument("--bundle", default="text", help="bundle in the model store (default: text)")
    parser.add_argument("--out", type=Path, default=ROOT / "loadtests" / "results", help="folder for the report")
    parser.add_argument("--lock", type=Path, help="file to lock while measuring, where others measure on this machine")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave through the contexts that stop the servers
    floors = run(LAYERS, given.bundle, given.lock)
    given.out.mkdir(parents=True, exist_ok=True)
    lines = markdown(floors)
    (given.out / "floor.md").write_text("\n".join(lines) + "\n")
    (given.out / "floor.json").write_text(json.dumps([asdict(floor) for floor in floors], indent=1) + "\n")
    front = next(floor for floor in floors if floor.title == "Jubako's front")
    verdict = "pass" if front.per_core.median >= TARGET_PER_CORE else "MISS"
    print("\n".join([*lines, "", f"target: the front answers {TARGET_PER_CORE:.0f}/s per core: {verdict}"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
