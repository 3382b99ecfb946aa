"""How a benchmark run goes: tune, start, check, then round after round.

Rounds repeat every scenario with every arm; within a scenario the arms follow each other directly, in an order that
rotates, and are compared within the round. All servers run from the start, frozen while another one is measured, so
that each is warm and costs the others nothing.
"""

import json
import math
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from bundle.bundle import Bundle
from bundle.manifest import Provider
from loadtests.arms import Arm, Variant, untuned
from loadtests.bound import PASSES_S, describe
from loadtests.machine import describe_machine, describe_versions
from loadtests.measure import beside_others, exclusive, idle_percent, measure
from loadtests.options import Options
from loadtests.plan import Plan, Record
from loadtests.results import BoundRow, LargeCall, Results, Row
from loadtests.scenarios import ALONE, BATCHES, BOUNDED, CAPACITY, OPEN_LOOP_SHARE, Scenario, make_requests
from loadtests.servers import Server
from loadtests.subjects import Subject, make_subject
from loadtests.summary import OK, due_in_window
from loadtests.workload import histogram

CHECKED_TEXTS = 8
"""Inputs whose outputs every arm has to give like the graph does."""

LARGE_CALL = 1000
"""Records of one very large request."""


class Bench:
    """One run over one bundle."""

    def __init__(self, bundle: Bundle, options: Options, logs: Path) -> None:
        subject = make_subject(bundle, options.texts, options.seed)
        tokens = [len(row) for row in subject.rows]
        self._subject = subject
        self._options = options
        self._logs = logs
        self._requests = {count: make_requests(subject.inputs, tokens, count) for count in (1, BATCHES.texts)}
        self._bound = subject.bound
        self._passes = 1
        self._outputs = self._bound.vectors(CHECKED_TEXTS)
        self._arms = subject.arms if options.all_arms else tuple(map(untuned, subject.arms[:2]))
        self._results = self._tune_bound(_protocol(subject, tokens, options))

    def run(self) -> Results:
        """Measure everything; an encoder takes about eleven minutes, a classifier three, either one with `QUICK`."""
        bounded = [scenario for scenario in self._subject.scenarios if scenario.name in BOUNDED]
        with ExitStack() as stack:
            servers = {arm.name: self._start(arm, stack) for arm in self._arms}
            for number in range(self._options.rounds):
                for scenario in self._subject.scenarios:
                    self._measure_all(servers, scenario, number)
                if self._subject.path == "/classify":
                    self._call_large(servers["jubako"])
            for number in range(self._options.rounds, self._options.rounds + self._options.pairs):
                for scenario in bounded:
                    self._measure_bound(scenario, number)
                    self._measure_arm(self._arms[0], servers["jubako"], scenario, number)
        return self._results

    def _tune_bound(self, protocol: dict[str, str]) -> Results:
        subject = self._subject
        with exclusive(self._options.lock):
            tried = self._bound.tune(self._options.tune_bound_s)
            reading = subject.reading.tune() if subject.reading else []
        with exclusive(self._options.lock):
            latency = self._bound.tune_latency()
        fastest = tried[0][1].texts_per_s
        self._passes = math.ceil(min(PASSES_S, self._options.window_s) * fastest / len(subject.rows))
        say(f"bound: {describe(tried[0][0])}: {fastest:.0f} {subject.noun}s/s")
        return Results(
            machine=describe_machine(),
            versions=describe_versions(),
            protocol=protocol,
            histogram=histogram(subject.texts),
            bound_tuning=tried,
            latency_setting=latency,
            titles={arm.name: arm.title for arm in self._arms},
            bundle=subject.bundle.tag,
            noun=subject.noun,
            scenarios=subject.scenarios,
            reading_tuning=reading,
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
        self._subject.check(server, self._requests[1], self._outputs)
        measure(server, self._plan(server, CAPACITY), lock=self._options.lock)

    def _best_variant(self, arm: Arm) -> Variant:
        if len(arm.variants) == 1:
            return arm.variants[0]
        found: list[tuple[float, Variant]] = []
        for variant in arm.variants:
            with arm.server(variant, self._logs) as server:
                self._prepare(server)
                plan = replace(self._plan(server, CAPACITY), duration_s=self._options.tune_arm_s, warmup_s=0.5)
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
            if scenario.name == ALONE.name:
                return self._bound.latencies_ms(self._results.latency_setting)
            if scenario.name in BOUNDED:
                best = self._results.bound_tuning[0][0]
                found, other_cores = beside_others(lambda: self._bound.measure(best, passes=self._passes))
                self._results.bound.append(BoundRow(scenario.name, number, found, other_cores))
                say(f"round {number + 1}, {scenario.title}, bound: {found.texts_per_s:.0f}/s")
                self._measure_reading_bound(scenario, number)
        return None

    def _measure_reading_bound(self, scenario: Scenario, number: int) -> None:
        reading = self._subject.reading
        if reading is not None:
            best = self._results.reading_tuning[0][0]
            found, other_cores = beside_others(lambda: reading.measure(best))
            self._results.bound.append(BoundRow(scenario.name, number, found, other_cores, "with reading"))
            say(f"round {number + 1}, {scenario.title}, bound with reading: {found.texts_per_s:.0f}/s")

    def _call_large(self, server: Server) -> None:
        """Send a thousand inputs in one request, taken from the workload again and again where it has fewer."""
        inputs = self._subject.inputs
        body = json.dumps({"inputs": [inputs[at % len(inputs)] for at in range(LARGE_CALL)]})
        server.resume()
        with exclusive(self._options.lock):
            begin = perf_counter()
            answer = json.loads(server.post(self._subject.path, body))
            seconds = perf_counter() - begin
        server.pause()
        answered = sum("error" not in item for item in answer["data"])
        self._results.large.append(LargeCall(LARGE_CALL, answered, seconds))
        say(f"{LARGE_CALL} {self._subject.noun}s in one call: {seconds:.2f} s")

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
            path=self._subject.path,
        )


def say(line: str) -> None:
    """Tell whoever waits how far it is."""
    print(line, file=sys.stderr, flush=True)


def _protocol(subject: Subject, tokens: list[int], options: Options) -> dict[str, str]:
    graph, provider = subject.bundle.pick([Provider.CPU])
    mean = sum(tokens) / len(tokens)
    protocol = {
        "bundle": f"{subject.bundle.tag}, {graph.file} ({graph.precision}) on {provider}",
        f"{subject.noun}s": f"{len(tokens)}, {subject.source}; {mean:.1f} tokens on average",
        "rounds": f"{options.rounds}, then {options.pairs} turns of bound and Jubako alone",
        "windows": f"{options.window_s:g} s a scenario and arm after {options.warmup_s:g} s warm-up "
        f"({options.settle_s:g} s more where an arm adapts)",
        "load": "a process of its own on the same cores, loopback, keep-alive; open loop: latency from the due time",
        "ratios": "tokens/s within a round; median over the rounds (smallest-largest)",
    }
    if not options.settle_s and len(subject.arms) > 1:
        protocol["quick run"] = "BentoML's batching had no time to adapt and looks slower than it is: do not publish"
    return protocol


def _figures(row: Row) -> str:
    window = row.measurement.window
    return f"{window.texts_per_s:.0f}/s, p50 {window.p50_ms:.1f} ms, p99 {window.p99_ms:.1f} ms"


def _paired_median(graph_ms: NDArray[np.float64], record: Record) -> float:
    """Return the graph's median over the requests that the server answered in the window."""
    answered = record.request[due_in_window(record) & (record.status == OK)]
    return float(np.median(graph_ms[answered]))
