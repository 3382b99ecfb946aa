"""The engine-only bound: what the graph itself can do on this machine, with nothing around it.

Token ids are made beforehand and sorted by length, so neither tokenising nor HTTP nor waiting costs anything and
padding is next to nothing. How the cores are divided and how large a batch is gets tried out, and the best is the
bound. Lanes take batches from the longest to the shortest, so that they end together.
"""

import itertools
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from features.rows import FeatureRow, Features, Feed
from loadtests.native_service import open_session, run

BUDGETS = (128, 256, 512, 1024, 2048, 4096)
"""Padded tokens of a batch that are tried; 128 is mostly one text at a time."""
BAG_BUDGETS = (256, 1024, 2048, 4096, 8192, 32_768)
"""The same where tokens are n-grams, of which a record has hundreds."""

PASSES_S = 1.0
"""Shortest time of one measurement of the bound: light graphs go through all rows several times."""

FINALISTS = 3


@dataclass(frozen=True)
class Setting:
    """How the cores are divided."""

    lanes: int
    threads: int
    """Intra-op threads of each lane."""
    spinning: bool
    """Whether threads spin while they wait; wins where nothing else wants the cores."""
    batch_tokens: int = 0


@dataclass(frozen=True)
class Pass:
    """All texts once through the graph."""

    texts_per_s: float
    tokens_per_s: float
    padding_ratio: float
    mean_batch: float


class Bound:
    """One graph and the tokenised texts of the workload."""

    def __init__(
        self, graph: Path, rows: Sequence[FeatureRow], features: Features, budgets: Sequence[int] = BUDGETS
    ) -> None:
        self.cores = len(os.sched_getaffinity(0))
        self._graph = graph
        self._rows = rows
        self._features = features
        self._budgets = budgets
        self._sessions: dict[tuple[int, bool], ort.InferenceSession] = {}

    def tune(self, seconds: float) -> list[tuple[Setting, Pass]]:
        """Try every division of the cores with every batch size, about `seconds` in all; best first.

        The three that look best are then measured over all rows, so that a lucky moment does not decide.
        """
        divisions = {(self.cores, 1, False), (1, self.cores, False), (1, self.cores, True)}
        settings = [
            Setting(*division, budget) for division, budget in itertools.product(sorted(divisions), self._budgets)
        ]
        sample = self._rows[: self._affordable(seconds / len(settings))]
        tried = sorted(((setting, self.measure(setting, sample)) for setting in settings), key=_slowness)
        finalists = sorted(((setting, self.measure(setting)) for setting, _ in tried[:FINALISTS]), key=_slowness)
        return finalists + tried[FINALISTS:]

    def measure(self, setting: Setting, rows: Sequence[FeatureRow] | None = None, passes: int = 1) -> Pass:
        """Send all rows through the graph, once or several times."""
        batches = cut(self._rows if rows is None else rows, setting.batch_tokens, self._features)
        session = self._session(setting.threads, setting.spinning)
        for batch in (batches[0], batches[-1]):
            run(session, batch)
        batches *= passes
        with ThreadPoolExecutor(setting.lanes) as lanes:
            begin = time.perf_counter()
            list(lanes.map(lambda batch: run(session, batch), batches))
            seconds = time.perf_counter() - begin
        tokens = sum(batch.tokens for batch in batches)
        texts = sum(batch.rows for batch in batches)
        padded = sum(batch.padded_tokens for batch in batches)
        return Pass(texts / seconds, tokens / seconds, padded / tokens, texts / len(batches))

    def tune_latency(self, samples: int = 60) -> Setting:
        """Return the setting under which single texts are fastest, by their median."""
        settings = [Setting(1, *pair) for pair in sorted({(1, False), (self.cores, False), (self.cores, True)})]
        return min(settings, key=lambda setting: float(np.median(self.latencies_ms(setting, samples))))

    def latencies_ms(self, setting: Setting, samples: int | None = None) -> NDArray[np.float64]:
        """Return the graph's own time for each text alone, [texts]."""
        session = self._session(setting.threads, setting.spinning)
        batches = [self._features.collate([row]) for row in self._rows[:samples]]
        run(session, batches[0])
        return np.array([_timed_ms(session, batch) for batch in batches])

    def vectors(self, count: int) -> NDArray[np.float32]:
        """Return the vectors of the first texts, each computed alone, [count, dimensions]."""
        session = self._session(1, False)
        batches = [self._features.collate([row]) for row in self._rows[:count]]
        return np.concatenate([run(session, batch) for batch in batches])

    def _session(self, threads: int, spinning: bool) -> ort.InferenceSession:
        """Keep quiet sessions; open a spinning one anew, because its threads would go on spinning beside others."""
        if spinning:
            return open_session(self._graph, threads, spinning)
        if (threads, spinning) not in self._sessions:
            self._sessions[threads, spinning] = open_session(self._graph, threads, spinning)
        return self._sessions[threads, spinning]

    def _affordable(self, seconds: float) -> int:
        """Return how many rows take about `seconds`, at least 32."""
        first = self.measure(Setting(self.cores, 1, False, 512), self._rows[:64])
        return max(32, min(len(self._rows), int(first.texts_per_s * seconds)))


def cut(rows: Sequence[FeatureRow], batch_tokens: int, features: Features) -> list[Feed]:
    """Cut rows, longest first, into padded batches of at most `batch_tokens` (a longer row goes alone)."""
    batches: list[list[FeatureRow]] = []
    for row in sorted(rows, key=len, reverse=True):
        if batches and (len(batches[-1]) + 1) * len(batches[-1][0]) <= batch_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return [features.collate(batch) for batch in batches]


def _slowness(tried: tuple[Setting, Pass]) -> float:
    return -tried[1].tokens_per_s


def describe(setting: Setting) -> str:
    """Say a setting in words."""
    spin = "spinning" if setting.spinning else "not spinning"
    tokens = f", {setting.batch_tokens} tokens a batch" if setting.batch_tokens else ""
    return f"{setting.lanes} lanes x {setting.threads} threads, {spin}{tokens}"


def _timed_ms(session: ort.InferenceSession, batch: Feed) -> float:
    begin = time.perf_counter_ns()
    run(session, batch)
    return (time.perf_counter_ns() - begin) / 1e6
