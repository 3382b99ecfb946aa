"""What a run of the benchmark has found, before anybody judges or prints it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from loadtests.bound import Pass, Setting
from loadtests.measure import Measurement
from loadtests.scenarios import Scenario
from loadtests.summary import Spread, round_ratios


@dataclass(frozen=True)
class Row:
    """One measurement and what it belongs to."""

    arm: str
    scenario: str
    round: int
    rate_per_s: float | None
    """Arrivals per second of an open loop."""
    graph_p50_ms: float | None
    """Median time of the graph alone for the very texts that were answered; only at one connection."""
    measurement: Measurement


@dataclass(frozen=True)
class BoundRow:
    """One pass of the engine-only bound, next to the measurements of the same scenario and round."""

    scenario: str
    round: int
    found: Pass
    other_cores: float
    """CPU that other processes of the machine took meanwhile, in cores."""


@dataclass
class Results:
    """Everything, in the order in which it was measured."""

    machine: dict[str, str]
    versions: dict[str, str]
    protocol: dict[str, str]
    histogram: list[tuple[str, int]]
    bound_tuning: list[tuple[Setting, Pass]]
    latency_setting: Setting
    titles: dict[str, str]
    """Of the arms, by name."""
    arm_tuning: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    """Per arm the variants that were tried and their texts/s, best first."""
    idle_percent: float = float("nan")
    """CPU of Jubako without load, in percent of one core."""
    bound: list[BoundRow] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def of(self, arm: str, scenario: str) -> list[Row]:
        """Return the rounds of an arm in a scenario."""
        return [row for row in self.rows if (row.arm, row.scenario) == (arm, scenario)]

    def side_by_side(self, arm: str, scenario: str) -> list[Row]:
        """Return an arm's rounds in a scenario that every other arm took part in.

        Figures of arms stand beside each other only where they were measured beside each other.
        """
        others = [{row.round for row in self.of(name, scenario)} for name in self.arms()]
        shared = set[int].intersection(*others)
        return [row for row in self.of(arm, scenario) if row.round in shared]

    def arms(self) -> list[str]:
        """Return the arms that were measured."""
        return list(dict.fromkeys(row.arm for row in self.rows))

    def tokens_per_s(self, arm: str, scenario: str) -> list[float]:
        """Return an arm's throughput by round, in tokens."""
        return [row.measurement.window.tokens_per_s for row in self.of(arm, scenario)]

    def bound_tokens_per_s(self, scenario: str) -> list[float]:
        """Return the bound's throughput by round, in tokens."""
        return [row.found.tokens_per_s for row in self.bound if row.scenario == scenario]

    def share_of_bound(self, arm: str, scenario: Scenario) -> Spread | None:
        """Return an arm's throughput over the bound's, within rounds; None where the bound was not measured.

        Tokens are compared, not texts, so that a window with longer texts does not look slower.
        """
        bound = self.bound_tokens_per_s(scenario.name)
        ours = self.tokens_per_s(arm, scenario.name)
        return round_ratios(ours, bound[: len(ours)]) if bound else None


def spread(values: Iterable[float]) -> Spread:
    """Return the spread of figures over the rounds."""
    return Spread.of(list(values))
