"""How a benchmark run goes: tune, start, check, then round after round.

Rounds repeat every scenario with every arm; within a scenario the arms follow each other directly, in an order that
rotates, and are compared within the round. All servers run from the start, frozen while another one is measured, so
that each is warm and costs the others nothing.
"""

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.bundle import Bundle
from bundle.manifest import Provider
from features.pipeline import TOKENIZER_FILE
from features.text import TextTokenizer
from loadtests.arms import Arm, Variant, check_answers, make_arms, untuned
from loadtests.bound import Bound, describe
from loadtests.machine import describe_machine, describe_versions
from loadtests.measure import beside_others, exclusive, idle_percent, measure
from loadtests.plan import Plan, Record
from loadtests.results import BoundRow, Results, Row
from loadtests.scenarios import ALONE, BATCHES, CAPACITY, OPEN_LOOP_SHARE, SCENARIOS, Scenario, make_requests
from loadtests.servers import Server
from loadtests.summary import OK, due_in_window
from loadtests.workload import Workload, histogram, make_workload

CHECKED_TEXTS = 8
"""Texts whose vectors every arm has to give like the graph does."""


@dataclass(frozen=True)
class Options:
    """How thorough a run is. Times are in seconds."""

    rounds: int = 3
    pairs: int = 6
    """Further turns of bound and Jubako alone, one right after the other: the nearer they are in time, the likelier the
    machine was equally fast for both."""
    texts: int = 1024
    window_s: float = 5.0
    warmup_s: float = 1.5
    settle_s: float = 5.5
    """Further warm-up of arms that adapt: BentoML's dispatcher learns anew every 5 s."""
    tune_bound_s: float = 20.0
    tune_arm_s: float = 4.0
    idle_s: float = 10.0
    seed: int = 1
    all_arms: bool = True
    """Include BentoML one by one, and try the variants of BentoML's arms."""
    lock: Path | None = None


QUICK = Options(
    rounds=1, pairs=0, texts=320, window_s=2.0, warmup_s=0.7, settle_s=0.0, tune_bound_s=5.0, idle_s=3.0, all_arms=False
)


class Bench:
    """One run over one bundle."""

    def __init__(self, bundle: Bundle, options: Options, logs: Path) -> None:
        tokenizer = TextTokenizer(bundle.root / TOKENIZER_FILE, bundle.manifest.max_tokens)
        workload = make_workload(options.texts, options.seed)
        rows = tokenizer.encode(workload.texts)
        tokens = [len(row) for row in rows]
        graph, _ = bundle.pick([Provider.CPU])
        self._options = options
        self._logs = logs
        self._requests = {count: make_requests(workload.texts, tokens, count) for count in (1, BATCHES.texts)}
        self._bound = Bound(bundle.path_of(graph), rows, tokenizer)
        self._vectors = self._bound.vectors(CHECKED_TEXTS)
        arms = make_arms(bundle)
        self._arms = arms if options.all_arms else tuple(map(untuned, arms[:2]))
        self._results = self._tune_bound(workload, _protocol(bundle, workload, tokens, options))

    def run(self) -> Results:
        """Measure everything; about eleven minutes, or one with `QUICK`."""
        with ExitStack() as stack:
            servers = {arm.name: self._start(arm, stack) for arm in self._arms}
            for number in range(self._options.rounds):
                for scenario in SCENARIOS:
                    self._measure_all(servers, scenario, number)
            for number in range(self._options.rounds, self._options.rounds + self._options.pairs):
                for scenario in (CAPACITY, BATCHES):
                    self._measure_bound(scenario, number)
                    self._measure_arm(self._arms[0], servers["jubako"], scenario, number)
        return self._results

    def _tune_bound(self, workload: Workload, protocol: dict[str, str]) -> Results:
        with exclusive(self._options.lock):
            tried = self._bound.tune(self._options.tune_bound_s)
        with exclusive(self._options.lock):
            latency = self._bound.tune_latency()
        say(f"bound: {describe(tried[0][0])}: {tried[0][1].texts_per_s:.0f} texts/s")
        return Results(
            machine=describe_machine(),
            versions=describe_versions(),
            protocol=protocol,
            histogram=histogram(workload.texts),
            bound_tuning=tried,
            latency_setting=latency,
            titles={arm.name: arm.title for arm in self._arms},
        )

    def _start(self, arm: Arm, stack: ExitStack) -> Server:
        """Start an arm in its best variant, check its answers, and freeze it."""
        server = stack.enter_context(arm.server(self._best_variant(arm), self._logs))
        if arm.name == "jubako":
            with exclusive(self._options.lock):
                self._results.idle_percent = idle_percent(server, self._options.idle_s)
            say(f"jubako idle: {self._results.idle_percent:.2f} % of a core")
        self._prepare(server)
        server.pause()
        return server

    def _prepare(self, server: Server) -> None:
        check_answers(server, self._requests[1], self._vectors)
        measure(server, self._plan(server, CAPACITY), lock=self._options.lock)

    def _best_variant(self, arm: Arm) -> Variant:
        if len(arm.variants) == 1:
            return arm.variants[0]
        found: list[tuple[float, Variant]] = []
        for variant in arm.variants:
            with arm.server(variant, self._logs) as server:
                self._prepare(server)
                plan = Plan(server.port, self._requests[1], CAPACITY.connections, self._options.tune_arm_s)
                found.append((measure(server, plan, lock=self._options.lock)[0].window.texts_per_s, variant))
            say(f"{arm.title}, {variant.title}: {found[-1][0]:.0f} texts/s")
        found.sort(key=lambda pair: -pair[0])
        self._results.arm_tuning[arm.name] = [(variant.title, texts_per_s) for texts_per_s, variant in found]
        return found[0][1]

    def _measure_all(self, servers: dict[str, Server], scenario: Scenario, number: int) -> None:
        graph_ms = self._measure_bound(scenario, number)
        shift = number % len(self._arms)
        for arm in (*self._arms[shift:], *self._arms[:shift]):
            self._measure_arm(arm, servers[arm.name], scenario, number, graph_ms)

    def _measure_arm(
        self, arm: Arm, server: Server, scenario: Scenario, number: int, graph_ms: NDArray[np.float64] | None = None
    ) -> None:
        """Let an arm run while the others are frozen, and keep what it did."""
        server.resume()
        rate = self._open_rate(arm, number) if scenario.open_loop else None
        plan = self._plan(server, scenario, rate, self._options.settle_s if arm.adapts else 0.0)
        measurement, record = measure(server, plan, arm.prefix, self._options.lock)
        server.pause()
        graph_p50 = None if graph_ms is None else _paired_median(graph_ms, record)
        row = Row(arm.name, scenario.name, number, rate, graph_p50, measurement)
        self._results.rows.append(row)
        say(f"round {number + 1}, {scenario.title}, {arm.title}: {_figures(row)}")

    def _measure_bound(self, scenario: Scenario, number: int) -> NDArray[np.float64] | None:
        """Measure the bound beside what is held against it; return the graph's times for single texts."""
        with exclusive(self._options.lock):
            if scenario is ALONE:
                return self._bound.latencies_ms(self._results.latency_setting)
            if scenario in (CAPACITY, BATCHES):
                best = self._results.bound_tuning[0][0]
                found, other_cores = beside_others(lambda: self._bound.measure(best))
                self._results.bound.append(BoundRow(scenario.name, number, found, other_cores))
                say(f"round {number + 1}, {scenario.title}, bound: {found.texts_per_s:.0f} texts/s")
        return None

    def _open_rate(self, arm: Arm, number: int) -> float:
        capacity = next(row for row in self._results.of(arm.name, CAPACITY.name) if row.round == number)
        return OPEN_LOOP_SHARE * capacity.measurement.window.texts_per_s

    def _plan(self, server: Server, scenario: Scenario, rate: float | None = None, settle_s: float = 0.0) -> Plan:
        return Plan(
            port=server.port,
            requests=self._requests[scenario.texts],
            connections=scenario.connections,
            duration_s=self._options.window_s,
            warmup_s=self._options.warmup_s + settle_s,
            rate_per_s=rate,
            seed=self._options.seed,
        )


def say(line: str) -> None:
    """Tell whoever waits how far it is."""
    print(line, file=sys.stderr, flush=True)


def _protocol(bundle: Bundle, workload: Workload, tokens: list[int], options: Options) -> dict[str, str]:
    graph, provider = bundle.pick([Provider.CPU])
    mean = sum(tokens) / len(tokens)
    protocol = {
        "bundle": f"{bundle.tag}, {graph.file} ({graph.precision}) on {provider}",
        "texts": f"{len(tokens)}, {workload.source}; {mean:.1f} tokens on average",
        "rounds": f"{options.rounds}, then {options.pairs} turns of bound and Jubako alone",
        "windows": f"{options.window_s:g} s a scenario and arm after {options.warmup_s:g} s warm-up "
        f"({options.settle_s:g} s more where an arm adapts)",
        "load": "a process of its own on the same cores, loopback, keep-alive; open loop: latency from the due time",
        "ratios": "tokens/s within a round; median over the rounds (smallest-largest)",
    }
    if not options.settle_s:
        protocol["quick run"] = "BentoML's batching had no time to adapt and looks slower than it is: do not publish"
    return protocol


def _figures(row: Row) -> str:
    window = row.measurement.window
    return f"{window.texts_per_s:.0f} texts/s, p50 {window.p50_ms:.1f} ms, p99 {window.p99_ms:.1f} ms"


def _paired_median(graph_ms: NDArray[np.float64], record: Record) -> float:
    """Return the graph's median over the requests that the server answered in the window."""
    answered = record.request[due_in_window(record) & (record.status == OK)]
    return float(np.median(graph_ms[answered]))
