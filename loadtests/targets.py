"""What the benchmark has to show, and whether it did."""

from dataclasses import dataclass

from loadtests.results import Results, spread
from loadtests.scenarios import ALONE, BATCHES, CAPACITY
from loadtests.summary import Spread, round_ratios


@dataclass(frozen=True)
class Verdict:
    """One target and what was measured; the median over the rounds decides."""

    target: str
    found: Spread
    limit: float
    at_least: bool

    @property
    def passed(self) -> bool:
        """Whether the median keeps the limit; NaN never does."""
        return self.found.median >= self.limit if self.at_least else self.found.median <= self.limit


def judge(results: Results) -> list[Verdict]:
    """Hold Jubako's figures against the targets; those whose arms were not measured are left out."""
    throughput = _throughput(results) if results.noun == "text" else _classifying(results)
    return [verdict for verdict in (*throughput, *_costs(results)) if verdict is not None]


def _throughput(results: Results) -> list[Verdict | None]:
    single = results.share_of_bound("jubako", CAPACITY)
    sixteen = results.share_of_bound("jubako", BATCHES)
    ours, theirs = (results.tokens_per_s(arm, CAPACITY.name) for arm in ("jubako", "batched"))
    return [
        Verdict("1 text, 64 connections: share of the engine-only bound", single, 0.80, True) if single else None,
        Verdict(
            "1 text, 64 connections: times BentoML's batching", round_ratios(ours[: len(theirs)], theirs), 3.0, True
        )
        if theirs
        else None,
        Verdict("16 texts, 8 connections: share of the engine-only bound", sixteen, 0.92, True) if sixteen else None,
    ]


def _classifying(results: Results) -> list[Verdict | None]:
    engine = results.share_of_bound("jubako", CAPACITY)
    reading = results.share_of_bound("jubako", CAPACITY, "with reading")
    answered = [call.answered / call.inputs for call in results.large]
    return [
        Verdict("1 record, 64 connections: share of the engine-only bound", engine, 0.80, True) if engine else None,
        Verdict("1 record, 64 connections: share of the bound with reading", reading, 0.80, True) if reading else None,
        Verdict("a thousand records in one call: share answered", spread(answered), 1.0, True) if answered else None,
    ]


def _costs(results: Results) -> list[Verdict]:
    overheads = [
        row.measurement.window.p50_ms - row.graph_p50_ms
        for row in results.of("jubako", ALONE.name)
        if row.graph_p50_ms is not None
    ]
    paddings = [
        spread(row.measurement.padding_ratio for row in results.of("jubako", scenario.name))
        for scenario in results.scenarios
    ]
    worst = max(paddings, key=lambda padding: padding.median)
    return [
        Verdict("1 connection: p50 above the graph's own p50, ms", spread(overheads), 3.0, False),
        Verdict("padding ratio, worst scenario", worst, 1.15, False),
        Verdict("idle CPU, % of one core", Spread.of([results.idle_percent]), 2.0, False),
    ]
