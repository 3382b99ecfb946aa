"""Does it stay as it is: `python -m loadtests.soak [BUNDLE ...] [--minutes 30] [--share 0.7] [--out DIR]`.

One server with default settings, under Poisson arrivals at a share of its own capacity on a mix of all its endpoints.
Every few seconds its memory, descriptors, threads and tasks are counted. Ends with status 1 when a limit was broken.
"""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import psutil

from bundle.bundle import Bundle
from bundle.store import find
from loadtests.arms import own_home
from loadtests.machine import describe_machine, describe_versions
from loadtests.measure import measure
from loadtests.plan import Plan, Request
from loadtests.report import table
from loadtests.scenarios import OPEN_LOOP_CONNECTIONS
from loadtests.servers import ROOT, Server, bentoml_serve, free_port
from loadtests.soak_figures import Sample, Soak, minutes_of
from loadtests.soak_mix import make_mix
from loadtests.soak_plot import draw
from serving.selection import stored_tags
from serving.settings import Settings

CAPACITY_S = 15.0
CALLERS = 64
SAMPLE_S = 5.0
WARMUP_SHARE = 1 / 6
"""Of the time, before trends are taken: five minutes of half an hour."""
SEED = 3


class Watch:
    """Samples a server from a thread of its own, as a context."""

    def __init__(self, server: Server, every_s: float) -> None:
        self.samples: list[Sample] = []
        self._server = server
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        begin = monotonic()
        while not self._over.wait(self._every_s):
            with suppress(psutil.NoSuchProcess):  # one ended between the listing and the look
                self.samples.append(Sample.take(self._server, (monotonic() - begin) / 60))


def soak(bundles: Sequence[Bundle], minutes: float, share: float, folder: Path, every_s: float = SAMPLE_S) -> Soak:
    """Find a server's capacity, load it at a share of that, and return what came of it."""
    port = free_port()
    env = {
        "JUBAKO_MODELS": json.dumps([bundle.tag for bundle in bundles]),
        "BENTOML_HOME": str(own_home(folder / "home", bundles[0])),
    }
    with Server(bentoml_serve("service:Jubako", port), port, env, log=folder / "server.log") as server:
        mix = make_mix(list(bundles), server, SEED)
        found, _ = measure(server, Plan(port, mix, CALLERS, min(CAPACITY_S, 15 * minutes), warmup_s=2.0))
        capacity = found.window.requests / min(CAPACITY_S, 15 * minutes)
        print(f"capacity: {capacity:.0f} requests/s at {CALLERS} connections", file=sys.stderr)
        plan = Plan(
            port, mix, OPEN_LOOP_CONNECTIONS, 60 * minutes, warmup_s=1.0, rate_per_s=share * capacity, seed=SEED
        )
        with Watch(server, every_s) as watch:
            _, record = measure(server, plan)
    return Soak(_facts(bundles, minutes, share, mix), capacity, share * capacity, WARMUP_SHARE * minutes,
                watch.samples, minutes_of(record))  # fmt: skip


def markdown(found: Soak, picture: str) -> list[str]:
    """Return the report."""
    requests = sum(minute.requests for minute in found.minutes)
    first, last = found.samples[0], found.samples[-1]
    verdicts = [
        (verdict.target, verdict.found.show(3), f"<= {verdict.limit:g}", "met" if verdict.passed else "MISSED")
        for verdict in found.judge()
    ]
    ends = [
        (name, *(f"{getattr(sample, field):.0f}" for sample in (first, last)), f"{found.trend(field):.3f}")
        for name, field in (
            ("resident memory, MiB", "rss_mib"), ("descriptors", "descriptors"), ("threads", "threads"),
            ("tasks", "tasks"),
        )
    ]  # fmt: skip
    slowest = max(minute.p99_ms for minute in found.minutes)
    return [
        "# Soak", "", *(f"- {key}: {value}" for key, value in found.facts.items()), "",
        f"{requests:,} requests at {found.rate_per_s:.0f}/s, of a capacity of {found.capacity_per_s:.0f}/s; "
        f"p99 of the slowest minute {slowest:.0f} ms.", "",
        f"![memory, descriptors, latency and requests over time]({picture})", "",
        *table(("of all processes", "at first", "at last", "a minute, after the warm-up"), ends), "",
        *table(("limit", "found", "at most", ""), verdicts),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print, and write soak.md, soak.json and soak.png."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.soak", description="Load a server for a long time.")
    parser.add_argument("bundles", nargs="*", help="bundles to serve (default: those of the settings that are stored)")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--share", type=float, default=0.7, help="of the capacity found right before (default: 0.7)")
    parser.add_argument("--out", type=Path, default=ROOT / "loadtests" / "results", help="folder for the report")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave through the contexts that stop the server
    with TemporaryDirectory() as folder:
        bundles = [find(tag) for tag in given.bundles or stored_tags(Settings())]
        found = soak(bundles, given.minutes, given.share, Path(folder))
    given.out.mkdir(parents=True, exist_ok=True)
    draw(found, given.out / "soak.png")
    lines = markdown(found, "soak.png")
    (given.out / "soak.md").write_text("\n".join(lines) + "\n")
    (given.out / "soak.json").write_text(json.dumps(asdict(found), indent=1) + "\n")
    print("\n".join(lines))
    return 0 if all(verdict.passed for verdict in found.judge()) else 1


def _facts(bundles: Sequence[Bundle], minutes: float, share: float, mix: Sequence[Request]) -> dict[str, str]:
    paths = sorted({request.path or "" for request in mix})
    shares = ", ".join(f"{path} {sum(one.path == path for one in mix) / len(mix):.0%}" for path in paths)
    return {
        **describe_machine(), **describe_versions(),
        "bundles": ", ".join(bundle.tag for bundle in bundles),
        "mix": shares,
        "load": f"Poisson arrivals for {minutes:g} min at {share:.0%} of the capacity at {CALLERS} connections, from a "
        "process on the same cores; latency from when a request was due",
        "trends": f"least squares after the first {WARMUP_SHARE * minutes:g} min, a sample every few seconds",
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
