"""One process, or fronts and runners: `python -m loadtests.topologies [--bundle text] [--out DIR]`.

The same model behind both topologies, one text a request, at 1 and at 64 connections; servers and load share the
machine. Takes about two minutes.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bundle.store import find
from features.pipeline import TOKENIZER_FILE
from features.text import TextTokenizer
from loadtests.arms import own_home
from loadtests.machine import describe_machine, describe_versions
from loadtests.measure import Measurement, measure
from loadtests.plan import Plan, Request
from loadtests.report import table
from loadtests.scenarios import make_requests
from loadtests.servers import ROOT, Server, bentoml_serve, free_port
from loadtests.summary import Spread
from loadtests.workload import make_workload

TOPOLOGIES = {
    "one process": {},
    "one front, one runner": {"JUBAKO_TOPOLOGY": "split"},
    "two fronts, one runner": {"JUBAKO_TOPOLOGY": "split", "JUBAKO_FRONTS": "2"},
}
CONNECTIONS = (1, 64)
ROUNDS = 3
WINDOW_S = 3.0


def run(bundle: str) -> list[list[str]]:
    """Measure every topology in every round and return the rows of the report."""
    requests = workload(bundle)
    found: dict[tuple[str, int], list[Measurement]] = {}
    with TemporaryDirectory() as folder, ExitStack() as stack:
        servers = {title: stack.enter_context(start(env, bundle, Path(folder))) for title, env in TOPOLOGIES.items()}
        for server in servers.values():
            server.pause()
        for _ in range(ROUNDS):
            for connections in CONNECTIONS:
                for title, server in servers.items():
                    server.resume()
                    measurement, _record = measure(server, Plan(server.port, requests, connections, WINDOW_S))
                    server.pause()
                    found.setdefault((title, connections), []).append(measurement)
                    print(f"{title}, {connections}: {measurement.window.texts_per_s:.0f} texts/s", file=sys.stderr)
    return [
        [
            title,
            str(connections),
            Spread.of([one.window.texts_per_s for one in found[title, connections]]).show(0),
            Spread.of([one.window.p50_ms for one in found[title, connections]]).show(1),
            Spread.of([one.window.p99_ms for one in found[title, connections]]).show(1),
        ]
        for connections in CONNECTIONS
        for title in TOPOLOGIES
    ]


def start(env: dict[str, str], bundle: str, folder: Path) -> Server:
    """Return a topology's server, not started yet, with a BentoML home of its own."""
    port = free_port()
    home = {"BENTOML_HOME": str(own_home(folder / str(port), find(bundle))), "JUBAKO_MODELS": json.dumps([bundle])}
    return Server(bentoml_serve("service:Jubako", port), port, {**env, **home}, log=folder / f"{port}.log")


def workload(bundle: str) -> list[Request]:
    """Return single-text requests of the benchmark's workload."""
    opened = find(bundle)
    texts = make_workload(512, seed=1).texts
    rows = TextTokenizer(opened.root / TOKENIZER_FILE, opened.manifest.max_tokens).encode(texts)
    return make_requests(texts, [len(row) for row in rows], 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write topologies-BUNDLE.md."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.topologies", description="Compare the topologies.")
    parser.add_argument("--bundle", default="text", help="bundle in the model store (default: text)")
    parser.add_argument("--out", type=Path, default=ROOT / "loadtests" / "results", help="folder for the report")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave through the contexts that stop the servers
    rows = run(given.bundle)
    facts = [f"- {key}: {value}" for key, value in {**describe_machine(), **describe_versions()}.items()]
    protocol = f"- {given.bundle}, 1 text a request, {ROUNDS} rounds of {WINDOW_S:g} s; median (smallest-largest)"
    head = ("topology", "connections", "texts/s", "p50 ms", "p99 ms")
    report = "\n".join(["# Topologies", "", *facts, protocol, "", *table(head, rows)])
    (given.out / f"topologies-{given.bundle}.md").write_text(report + "\n")
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
