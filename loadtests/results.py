"""What a run of the benchmark has found, before anybody judges or prints it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from loadtests.bound import Pass, Setting
from loadtests.measure import Measurement
from loadtests.reading_bound import ReadingSetting
from loadtests.scenarios import SCENARIOS, Scenario
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


BoundKind = Literal["engine-only", "with reading"]
"""What a bound does: the graph alone, or reading, cleaning and hashing before it."""


@dataclass(frozen=True)
class LargeCall:
    """One request with very many inputs."""

    inputs: int
    answered: int
    """Inputs that came back without an error."""
    seconds: float


@dataclass(frozen=True)
class BoundRow:
    """One pass of a bound, next to the measurements of the same scenario and round."""

    scenario: str
    round: int
    found: Pass
    other_cores: float
    """CPU that other processes of the machine took meanwhile, in cores."""
    kind: BoundKind = "engine-only"


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
    bundle: str = ""
    noun: str = "text"
    """What an input is."""
    scenarios: tuple[Scenario, ...] = SCENARIOS
    reading_tuning: list[tuple[ReadingSetting, Pass]] = field(default_factory=list)
    """Of the bound with reading, best first; empty where there is none."""
    large: list[LargeCall] = field(default_factory=list)
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

    def bounds_of(self, scenario: str, kind: BoundKind = "engine-only") -> list[BoundRow]:
        """Return the rounds of a bound beside a scenario."""
        return [row for row in self.bound if (row.scenario, row.kind) == (scenario, kind)]

    def share_of_bound(self, arm: str, scenario: Scenario, kind: BoundKind = "engine-only") -> Spread | None:
        """Return an arm's throughput over a bound's, within rounds; None where the bound was not measured.

        Tokens are compared, not texts, so that a window with longer texts does not look slower.
        """
        bound = [row.found.tokens_per_s for row in self.bounds_of(scenario.name, kind)]
        ours = self.tokens_per_s(arm, scenario.name)
        return round_ratios(ours, bound[: len(ours)]) if bound else None


def spread(values: Iterable[float]) -> Spread:
    """Return the spread of figures over the rounds."""
    return Spread.of(list(values))
