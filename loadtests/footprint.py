"""What each model takes: `python -m loadtests.footprint [BUNDLE ...] [--out DIR]`.

For each bundle alone: how long a server takes from its start until it is ready, its memory then and after some seconds
of load at 64 connections, and what it answers meanwhile. A server of none of them cannot be started, so the memory of
the server itself is told by the smallest. Takes about 20 seconds a bundle.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from bundle.bundle import Bundle
from bundle.store import find
from loadtests.arms import own_home
from loadtests.machine import describe_machine, describe_versions
from loadtests.measure import measure
from loadtests.plan import Plan
from loadtests.prometheus import BatchCounters
from loadtests.report import table
from loadtests.servers import ROOT, Server, bentoml_serve, free_port
from loadtests.soak_mix import make_mix
from serving.selection import stored_tags
from serving.settings import Settings

CALLERS = 64
WINDOW_S = 8.0
SEED = 5
COLUMNS = (
    "bundle", "disk MiB", "start to ready s", "memory MiB", "under load MiB", "requests/s", "p50 ms", "p99 ms",
    "tokens/s", "tokens/s and core",
)  # fmt: skip


@dataclass(frozen=True)
class Footprint:
    """One bundle, served alone."""

    tag: str
    disk_mib: float
    """All of its files: graphs of every precision, index, tokeniser."""
    start_s: float
    idle_mib: float
    """Resident memory of all the server's processes, once ready."""
    loaded_mib: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    tokens_per_s: float
    """Computed, without padding; for bags of n-grams, n-grams."""
    cores: int

    def cells(self) -> list[str]:
        """Return the row of the report."""
        numbers = (
            f"{self.disk_mib:.0f}", f"{self.start_s:.1f}", f"{self.idle_mib:.0f}", f"{self.loaded_mib:.0f}",
            f"{self.requests_per_s:.0f}", f"{self.p50_ms:.0f}", f"{self.p99_ms:.0f}", f"{self.tokens_per_s:,.0f}",
            f"{self.tokens_per_s / self.cores:,.0f}",
        )  # fmt: skip
        return [self.tag, *numbers]


def footprint(bundle: Bundle, folder: Path, window_s: float = WINDOW_S) -> Footprint:
    """Serve one bundle alone and return what it takes."""
    port = free_port()
    folder.mkdir()
    env = {"JUBAKO_MODELS": json.dumps([bundle.tag]), "BENTOML_HOME": str(own_home(folder / "home", bundle))}
    begin = monotonic()
    with Server(bentoml_serve("service:Jubako", port), port, env, log=folder / "server.log") as server:
        start_s = monotonic() - begin
        idle = server.rss_bytes()
        mix = make_mix([bundle], server, SEED)
        before, begin = _tokens(server), monotonic()
        found, _ = measure(server, Plan(port, mix, CALLERS, window_s, warmup_s=1.0))
        tokens_per_s = (_tokens(server) - before) / (monotonic() - begin)
    if found.window.failures:
        raise RuntimeError(f"{bundle.tag}: {found.window.failures} requests were not answered with 200")
    return Footprint(
        tag=bundle.tag,
        disk_mib=sum(file.stat().st_size for file in bundle.root.rglob("*") if file.is_file()) / 2**20,
        start_s=start_s,
        idle_mib=idle / 2**20,
        loaded_mib=found.rss_mib,
        requests_per_s=found.window.requests / window_s,
        p50_ms=found.window.p50_ms,
        p99_ms=found.window.p99_ms,
        tokens_per_s=tokens_per_s,
        cores=len(os.sched_getaffinity(0)),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write footprint.md and footprint.json."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.footprint", description="Tell what each model takes.")
    parser.add_argument("bundles", nargs="*", help="bundles (default: those of the settings that are stored)")
    parser.add_argument("--out", type=Path, default=ROOT / "loadtests" / "results", help="folder for the report")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave through the contexts that stop the server
    facts = {**describe_machine(), **describe_versions()}
    with TemporaryDirectory() as folder:
        tags = given.bundles or stored_tags(Settings())
        found = [footprint(find(tag), Path(folder, str(at))) for at, tag in enumerate(tags)]
    lines = [
        "# Footprint", "", *(f"- {key}: {value}" for key, value in facts.items()),
        f"- each bundle alone, single process, default settings; {CALLERS} connections for {WINDOW_S:g} s, server and "
        "load on the same cores", "",
        *table(COLUMNS, [one.cells() for one in found]),
    ]  # fmt: skip
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "footprint.md").write_text("\n".join(lines) + "\n")
    (given.out / "footprint.json").write_text(
        json.dumps({"facts": facts, "bundles": [asdict(one) for one in found]}, indent=1) + "\n"
    )
    print("\n".join(lines))
    return 0


def _tokens(server: Server) -> float:
    return BatchCounters.parse(server.get("/metrics"), "jubako").tokens


if __name__ == "__main__":
    sys.exit(main())
