"""Searching a catalogue: `python -m loadtests.search_bench [--quick] [--skip-large] [--out DIR] [--lock FILE]`.

Exact search of 100,000 x 128 for the best 20, as it is served, against a plain numpy matrix product and argpartition in
the same process, arm after arm in each round; and 1,000,000 x 128 with the approximate index: build time, recall,
latency, memory. Ours excludes what the user has seen; numpy does not have to.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from loadtests.machine import describe_machine, describe_versions
from loadtests.measure import exclusive
from loadtests.report import table
from loadtests.search_figures import Exact, Large, Sizes
from loadtests.search_runs import measure_exact, measure_large
from loadtests.servers import ROOT
from training.report.about import installed


@dataclass(frozen=True)
class Verdict:
    """One target and what was measured."""

    target: str
    found: float
    limit: float
    at_least: bool

    @property
    def passed(self) -> bool:
        """Whether the limit is kept."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit


THOROUGH = Sizes(items=100_000, large=1_000_000)
QUICK = Sizes(items=100_000, large=20_000, rounds=2, questions=60, window_s=1.5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print; a missed target is told, not an error."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.search_bench", description="Measure the search.")
    parser.add_argument("--quick", action="store_true", help="half a minute: short rounds, a small approximate index")
    parser.add_argument("--skip-large", action="store_true", help="leave out the approximate index, some minutes")
    parser.add_argument("--out", type=Path, default=ROOT / "loadtests" / "results", help="folder for the report")
    parser.add_argument("--lock", type=Path, help="file to lock while measuring, where others measure on this machine")
    given = parser.parse_args(arguments)
    sizes = QUICK if given.quick else THOROUGH
    name = "search-quick" if given.quick else "search"
    lock: AbstractContextManager[None] = exclusive(given.lock)
    with lock, asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        exact = loop.run(measure_exact(sizes))
        large = None if given.skip_large else loop.run(measure_large(sizes))
    lines = markdown(sizes, exact, large)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{name}.md").write_text("\n".join(lines) + "\n")
    plain = {"sizes": asdict(sizes), "exact": asdict(exact), "large": asdict(large) if large else None}
    (given.out / f"{name}.json").write_text(json.dumps({**_facts(), **plain}, indent=1) + "\n")
    print("\n".join(lines))
    return 0


def judge(exact: Exact, large: Large | None) -> list[Verdict]:
    """Hold the figures against the targets; the median over the rounds decides."""
    verdicts = [
        Verdict("exact, one user: p50 over numpy's", exact.p50_ratio.median, 2.0, False),
        Verdict(f"exact, {exact.callers} callers: throughput over numpy's", exact.throughput_ratio.median, 5.0, True),
    ]
    if large is not None:
        verdicts += [
            Verdict(f"approximate, {large.items:,} items: recall@20 of exact", large.recall, 0.98, True),
            Verdict(f"approximate, {large.items:,} items, one user: p99, ms", large.p99_ms, 20.0, False),
        ]
    return verdicts


def markdown(sizes: Sizes, exact: Exact, large: Large | None) -> list[str]:
    """Return the report."""
    facts = [f"- {key}: {value}" for key, value in _facts().items()]
    lines = ["# Searching a catalogue", "", *facts, *(f"- {line}" for line in sizes.protocol()), ""]
    lines += [f"## Exact, {exact.items:,} items", "", *_arm_table(exact), ""]
    lines += [
        f"Ours over numpy within rounds: p50 of one user {exact.p50_ratio.show()}, throughput "
        f"{exact.throughput_ratio.show()}. Rows of a micro-batch at {exact.callers} callers: {exact.mean_batch:.1f}.",
        f"Memory of this process for the index: {exact.memory.anonymous_mib:.0f} MiB, and "
        f"{exact.memory.mapped_mib:.0f} MiB of mapped files. Other processes took {exact.other_cores:.2f} cores.",
        "",
    ]
    if large is not None:
        lines += [f"## Approximate, {large.items:,} items", "", *_arm_table(large), "", *_large_lines(large), ""]
    rows = [
        (verdict.target, f"{verdict.found:.3f}", f"{'>=' if verdict.at_least else '<='} {verdict.limit:g}",
         "met" if verdict.passed else "MISSED")
        for verdict in judge(exact, large)
    ]  # fmt: skip
    return [*lines, "## Targets", "", *table(("target", "found", "limit", ""), rows)]


def _arm_table(run: Exact | Large) -> list[str]:
    head = ("arm", "p50 ms", "p95 ms", "p99 ms", "answers/s", f"p50 ms at {run.callers}", f"p99 ms at {run.callers}")
    rows = [
        (arm.title, *(spread.show() for spread in (arm.p50_ms, arm.p95_ms, arm.p99_ms)), arm.per_s.show(0),
         *(spread.show(1) for spread in (arm.busy_p50_ms, arm.busy_p99_ms)))
        for arm in run.arms
    ]  # fmt: skip
    return table(head, rows)


def _large_lines(large: Large) -> list[str]:
    sizes = (large.graph_mib, large.vectors_mib, large.memory.mapped_mib, large.memory.anonymous_mib)
    graph, vectors, mapped, own = (f"{mib * 1e6 / large.items:.0f} MiB" for mib in sizes)
    approximate, exact = (arm.per_s.median for arm in large.arms[:2])
    return [
        f"Built in {large.build_s:.0f} s; {large.protocol}. Recall of the exact best 20 over {large.asked} further "
        f"queries: {large.recall:.4f}.",
        f"For each million items: {graph} of graph and {vectors} of vectors on disk, of which this process mapped "
        f"{mapped}; {own} of memory of its own. Other processes took {large.other_cores:.2f} cores.",
        f"Exact search costs in proportion to the items, approximate search hardly more for more: with {large.callers} "
        f"callers they are level at about {large.items * exact / approximate:,.0f} items.",
    ]


def _facts() -> dict[str, str]:
    return {**describe_machine(), **describe_versions(), "faiss-cpu": installed("faiss-cpu")}


if __name__ == "__main__":
    sys.exit(main())
