"""The protocols beside each other: `python -m loadtests.protocol_bench [BUNDLE] [--quick] [--out DIR] [--lock FILE]`.

One server with default settings. Single texts with 64 requests under way, over HTTP, gRPC and the open inference
protocol over both; then ten thousand texts, in one stream and in lists over HTTP, between the halves of the
engine-only bound of the same texts.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from bundle.store import find
from loadtests.bound import describe
from loadtests.protocol_arms import ARMS, Load
from loadtests.protocol_figures import BOUND, BULK_TITLES, LISTS, QUICK, STREAM, THOROUGH, Results
from loadtests.protocol_runs import ProtocolBench
from loadtests.report import QUIET_CORES, table
from loadtests.results import spread
from loadtests.servers import ROOT

SINGLE_COLUMNS = (
    "1 text a request", "texts/s", "over HTTP", "p50 ms", "p95 ms", "p99 ms", "server us", "of it beside the graph",
    "load us", "padding ratio", "failed",
)  # fmt: skip
BULK_COLUMNS = (
    "way", "texts/s", "share of bound", "server cores", "load cores", "us a text beside the graph", "padding ratio",
    "mean batch", "failed",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print; a missed target is told, not an error."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.protocol_bench", description="Compare the protocols.")
    parser.add_argument("bundle", nargs="?", default="text", help="text encoder in the model store (default: text)")
    parser.add_argument("--quick", action="store_true", help="about two minutes: short windows, a thousand texts")
    parser.add_argument("--out", type=Path, default=ROOT / "loadtests" / "results", help="folder for the report")
    parser.add_argument("--lock", type=Path, help="file to lock while measuring, where others measure on this machine")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave through the contexts that stop the servers
    with TemporaryDirectory() as logs:
        sizes = QUICK if given.quick else THOROUGH
        results = ProtocolBench(find(given.bundle), sizes, Path(logs), given.lock).run()
    name = "protocols-quick" if given.quick else "protocols"
    lines = markdown(results)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{name}.md").write_text("\n".join(lines) + "\n")
    verdicts = [{**asdict(verdict), "passed": verdict.passed} for verdict in results.judge()]
    (given.out / f"{name}.json").write_text(json.dumps({**asdict(results), "targets": verdicts}, indent=1) + "\n")
    print("\n".join(lines))
    return 0


def markdown(results: Results) -> list[str]:
    """Return the report."""
    sizes = results.sizes
    facts = [f"- {key}: {value}" for key, value in results.facts.items()]
    lines = ["# Protocols", "", *facts, *(f"- {line}" for line in protocol(results)), ""]
    lines += [f"## Single texts, {sizes.callers} at once", "", *table(SINGLE_COLUMNS, _single_rows(results)), ""]
    lines += [f"## {sizes.bulk_texts:,} texts, {sizes.bulk_size} a request", ""]
    lines += [*table(BULK_COLUMNS, _bulk_rows(results)), "", "## Targets", ""]
    rows = [
        (one.target, one.found.show(3), f">= {one.limit:g}", "met" if one.passed else "MISSED")
        for one in results.judge()
    ]
    lines += [*table(("target", "found", "limit", ""), rows), ""]
    other = spread(
        [*(one.measurement.other_cores for one in results.singles), *(one.other_cores for one in results.bulks)]
    )
    warning = " **The machine was not quiet: do not trust these figures.**" if other.high > QUIET_CORES else ""
    return [*lines, f"Other processes took {other.show()} cores during the measurements.{warning}"]


def protocol(results: Results) -> list[str]:
    """Return what was done, for people."""
    sizes = results.sizes
    return [
        f"single texts: {sizes.rounds} rounds of all arms, then {sizes.pairs} turns of HTTP and gRPC alone under the "
        f"hand-written load, the order rotating; {sizes.window_s:g} s after {sizes.warmup_s:g} s warm-up; median "
        "(smallest-largest)",
        f"load: a process of its own on the same cores. {Load.LEAN}: raw bytes, over HTTP one connection a caller, "
        f"over gRPC one for all; {Load.LIBRARY}: raw calls over one connection; {Load.CLIENT}: "
        "`jubako.client.AsyncClient`, over httpx and grpc.aio, from the text to the vector",
        f"over HTTP: texts/s over HTTP's under the like load ({Load.LIBRARY}: over the {Load.LEAN} one), within rounds",
        "answers: the defaults, so JSON numbers over HTTP `/embed` (our client: base64), packed floats elsewhere",
        "server us, load us: CPU time of a request in microseconds; beside the graph: what the threads other than the "
        "lanes spent, tokenising included",
        f"bound: every other text before and the others after stream and lists, in each of {sizes.bulk_rounds} rounds; "
        f"{describe(results.bound_tuning[0][0])}",
        f"lists: {sizes.list_callers} requests under way; stream: one, written as fast as it takes requests",
    ]


def _single_rows(results: Results) -> list[list[str]]:
    rows = []
    for arm in ARMS.values():
        ours = results.of(arm.name)
        windows = [single.measurement.window for single in ours]
        rows.append(
            [
                arm.title,
                spread(window.texts_per_s for window in windows).show(0),
                results.over_http(arm.name).show(3),
                *(spread(getattr(window, key) for window in windows).show(0) for key in ("p50_ms", "p95_ms", "p99_ms")),
                *(spread(getattr(one, key) for one in ours).show(0) for key in ("server_us", "beside_us", "client_us")),
                spread(single.measurement.padding_ratio for single in ours).show(),
                str(sum(window.failures for window in windows)),
            ]
        )
    return rows


def _bulk_rows(results: Results) -> list[list[str]]:
    rows = []
    for arm in (BOUND, STREAM, LISTS):
        ours = results.bulk(arm)
        shown = [
            spread(getattr(bulk, key) for bulk in ours).show(digits)
            for key, digits in (
                ("server_cores", 2),
                ("client_cores", 2),
                ("beside_us", 0),
                ("padding_ratio", 3),
                ("mean_batch", 1),
            )
        ]
        if arm == BOUND:
            shown[:3] = ["", "", ""]
        rows.append(
            [
                BULK_TITLES[arm],
                spread(bulk.texts_per_s for bulk in ours).show(0),
                results.share_of_bound(arm).show(3),
                *shown,
                str(sum(bulk.failures for bulk in ours)),
            ]
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
