"""Where the time goes: `python -m loadtests.threads [--bundle text] [--out DIR]`.

The CPU time of every thread of the server, as the kernel counts it, over one window of single texts at 64 connections.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from loadtests.machine import describe_machine, describe_versions
from loadtests.measure import measure
from loadtests.plan import Plan
from loadtests.report import table
from loadtests.servers import ROOT, Server
from loadtests.topologies import start, workload

WINDOW_S = 10.0


def thread_seconds(server: Server) -> dict[tuple[int, int], float]:
    """Return the CPU seconds that each (process, thread) of the server has spent so far."""
    return {
        (process.pid, thread.id): thread.user_time + thread.system_time
        for process in server.processes()
        for thread in process.threads()
    }


def account(spent: dict[tuple[int, int], float], lanes: int) -> dict[str, float]:
    """Return CPU seconds by kind of thread.

    The lanes are the busiest threads; an event loop is the first thread of its process.
    """
    busiest = sorted(spent, key=lambda key: -spent[key])[:lanes]
    loops = [key for key in spent if key[0] == key[1] and key not in busiest]
    others = [key for key in spent if key not in busiest and key not in loops]
    return {
        "lanes: the graph": sum(spent[key] for key in busiest),
        "event loop: HTTP, JSON, scheduling, metrics, access log": sum(spent[key] for key in loops),
        "tokenising and other threads": sum(spent[key] for key in others),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write threads.md."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.threads", description="Tell where CPU time goes.")
    parser.add_argument("--bundle", default="text", help="bundle in the model store (default: text)")
    parser.add_argument("--out", type=Path, default=ROOT / "loadtests" / "results", help="folder for the report")
    given = parser.parse_args(arguments)
    with TemporaryDirectory() as folder, start({}, given.bundle, Path(folder)) as server:
        requests = workload(given.bundle)
        measure(server, Plan(server.port, requests, 64, 2.0))
        before = thread_seconds(server)
        measurement, _ = measure(server, Plan(server.port, requests, 64, WINDOW_S, warmup_s=0.1), "jubako")
        spent = {key: seconds - before.get(key, 0.0) for key, seconds in thread_seconds(server).items()}
    cores = psutil.cpu_count() or 1
    parts = account(spent, lanes=cores) | {"load process": measurement.window.client_cores * WINDOW_S}
    rows = [(who, f"{seconds:.2f}", f"{seconds / (cores * WINDOW_S):.1%}") for who, seconds in parts.items()]
    facts = [f"- {key}: {value}" for key, value in {**describe_machine(), **describe_versions()}.items()]
    padding = f"padding ratio {measurement.padding_ratio:.2f}"
    protocol = f"- {measurement.window.texts_per_s:.0f} texts/s over {WINDOW_S:g} s at 64 connections, {padding}"
    report = "\n".join(["# CPU time by thread", "", *facts, protocol, "", *table(("who", "core-s", "share"), rows)])
    (given.out / "threads.md").write_text(report + "\n")
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
