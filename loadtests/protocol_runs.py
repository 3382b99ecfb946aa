"""How a run of the benchmark of protocols goes: check, tune, then round after round on one server."""

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bundle.bundle import Bundle
from bundle.manifest import Provider
from features.pipeline import TOKENIZER_FILE
from features.text import TextTokenizer
from loadtests.arms import jubako_arm
from loadtests.bound import Bound, describe
from loadtests.machine import describe_machine, describe_versions
from loadtests.measure import Measurement, beside_others, exclusive, measure
from loadtests.plan import Plan, Record, Request
from loadtests.protocol_arms import ARMS, LEAN_GRPC, PLAIN_HTTP, Arm
from loadtests.protocol_figures import BOUND, BULK_TITLES, LISTS, STREAM, Bulk, Results, Single, Sizes
from loadtests.protocol_wires import EMBED_STREAM, WIRES
from loadtests.runner import CHECKED_TEXTS, say
from loadtests.scenarios import make_requests
from loadtests.servers import Server
from loadtests.threads import account, thread_seconds
from loadtests.workload import make_workload
from training.report.about import installed

PROCESS = "loadtests.protocol_process"
LONGEST_S = 600.0
"""Longest time for all texts once."""


class ProtocolBench:
    """One run over one text encoder."""

    def __init__(self, bundle: Bundle, sizes: Sizes, logs: Path, lock: Path | None = None) -> None:
        self._bundle = bundle
        self._model = bundle.manifest.name
        self._sizes = sizes
        self._logs = logs
        self._lock = lock
        made = make_workload(max(sizes.bulk_texts, sizes.texts), sizes.seed)
        tokenizer = TextTokenizer(bundle.root / TOKENIZER_FILE, bundle.manifest.max_tokens)
        graph, provider = bundle.pick([Provider.CPU])
        self._texts = made.texts
        self._rows = tokenizer.encode(made.texts)
        self._tokens = [len(row) for row in self._rows]
        self._bound = Bound(bundle.path_of(graph), self._rows[: sizes.texts], tokenizer)
        self._results = Results(
            {
                **describe_machine(),
                **describe_versions(),
                "grpcio": installed("grpcio"),
                "bundle": f"{bundle.tag}, {graph.file} ({graph.precision}) on {provider}",
                "texts": f"{made.source}; {sum(self._tokens) / len(self._tokens):.1f} tokens on average",
            },
            sizes,
        )

    def run(self) -> Results:
        """Measure everything: some eleven minutes with MiniLM on two cores, two with `QUICK`."""
        sizes = self._sizes
        with exclusive(self._lock):
            self._results.bound_tuning = self._bound.tune(sizes.tune_s)
        say(f"bound: {describe(self._results.bound_tuning[0][0])}")
        with ExitStack() as stack:
            arm = jubako_arm(self._bundle)
            server = stack.enter_context(arm.server(arm.variants[0], self._logs))
            for wire in WIRES.values():
                wire.check(server, self._model, self._texts, self._bound.vectors(CHECKED_TEXTS))
            for number in range(sizes.rounds + sizes.pairs):
                self._measure_singles(server, number)
            for number in range(sizes.bulk_rounds):
                self._measure_bulks(server, number)
        return self._results

    def _measure_singles(self, server: Server, number: int) -> None:
        arms = list(ARMS.values()) if number < self._sizes.rounds else [PLAIN_HTTP, LEAN_GRPC]
        shift = number % len(arms)
        for arm in (*arms[shift:], *arms[:shift]):
            self._measure_single(server, arm, number)

    def _measure_single(self, server: Server, arm: Arm, number: int) -> None:
        sizes = self._sizes
        plan = Plan(
            port=server.grpc_port if arm.wire.over_grpc else server.port,
            requests=make_requests(self._texts[: sizes.texts], self._tokens, 1),
            connections=sizes.callers,
            duration_s=sizes.window_s,
            warmup_s=sizes.warmup_s,
            path=arm.wire.path_for(self._model),
        )
        measurement, record, beside_s = self._measure(server, plan, arm.name)
        single = Single(arm.name, number, measurement, 1e6 * beside_s / max(len(record.status), 1))
        self._results.singles.append(single)
        told = f"{measurement.window.texts_per_s:.0f}/s, p50 {measurement.window.p50_ms:.0f} ms"
        costs = f"beside the graph {single.beside_us:.0f} us, load {single.client_us:.0f} us"
        say(f"round {number + 1}, {arm.title}: {told}; {costs}")

    def _measure_bulks(self, server: Server, number: int) -> None:
        """Measure stream and lists between two halves of the bound, so that a machine that drifts is the same for all.

        Each half has every other text, and so the same lengths.
        """
        halves = [self._bound_pass(server, 0)]
        for arm in (STREAM, LISTS) if number % 2 == 0 else (LISTS, STREAM):
            self._add(self._bulk(server, arm, number))
        halves.append(self._bound_pass(server, 1))
        texts, seconds = sum(count for count, _, _ in halves), sum(spent for _, spent, _ in halves)
        others = max(cores for _, _, cores in halves)
        best = self._results.bound_tuning[0][1]
        self._add(
            Bulk(
                arm=BOUND,
                round=number,
                texts_per_s=texts / seconds,
                padding_ratio=best.padding_ratio,
                mean_batch=best.mean_batch,
                other_cores=others,
            )
        )

    def _bound_pass(self, server: Server, half: int) -> tuple[int, float, float]:
        rows = self._rows[: self._sizes.bulk_texts][half::2]
        server.pause()
        with exclusive(self._lock):
            setting = self._results.bound_tuning[0][0]
            found, others = beside_others(lambda: self._bound.measure(setting, rows))
        server.resume()
        return len(rows), len(rows) / found.texts_per_s, others

    def _bulk(self, server: Server, arm: str, number: int) -> Bulk:
        sizes = self._sizes
        plan = Plan(
            port=server.port,
            requests=self._bulk_requests(),
            connections=sizes.list_callers,
            duration_s=LONGEST_S,
        )
        if arm == STREAM:
            plan = replace(plan, port=server.grpc_port, path=EMBED_STREAM)
        found, _, beside_s = self._measure(server, plan, arm)
        window = found.window
        return Bulk(
            arm=arm,
            round=number,
            texts_per_s=window.texts_per_s,
            server_cores=found.server_cores,
            client_cores=window.client_cores,
            beside_us=1e6 * beside_s / sizes.bulk_texts,
            padding_ratio=found.padding_ratio,
            mean_batch=found.mean_batch,
            failures=window.failures,
            other_cores=found.other_cores,
        )

    def _measure(self, server: Server, plan: Plan, work: str) -> tuple[Measurement, Record, float]:
        """Load the server; return the CPU seconds, too, that its threads beside the lanes spent on all requests."""
        before = thread_seconds(server)
        measurement, record = measure(server, plan, "jubako", self._lock, (PROCESS, work, self._model))
        spent = {key: seconds - before.get(key, 0.0) for key, seconds in thread_seconds(server).items()}
        _, *beside = account(spent, lanes=len(os.sched_getaffinity(0))).values()
        return measurement, record, sum(beside)

    def _bulk_requests(self) -> list[Request]:
        count = self._sizes.bulk_texts
        return make_requests(self._texts[:count], self._tokens, self._sizes.bulk_size)

    def _add(self, bulk: Bulk) -> None:
        self._results.bulks.append(bulk)
        say(f"round {bulk.round + 1}, {BULK_TITLES[bulk.arm]}: {bulk.texts_per_s:.0f} texts/s")
