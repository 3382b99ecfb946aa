"""The two measurements of the benchmark of searching."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from bundle.catalogue import VECTORS_FILE, Catalogue
from bundle.index_files import EXACT_FILE, HNSW_FILE
from bundle.manifest import IndexRecord
from export.hnsw import exact_top, write_hnsw
from export.topk import write_topk
from features.rows import FeatureRow
from loadtests.measure import machine_cpu_s
from loadtests.search_arms import (
    Arm,
    Indexed,
    PlainNumpy,
    Question,
    Vectors,
    count_answers,
    draw_basis,
    draw_questions,
    draw_vectors,
    time_alone,
)
from loadtests.search_figures import MIB, SEED, ArmFigures, Exact, Large, Memory, Sizes
from loadtests.summary import Spread, percentiles, round_ratios
from serving.index.opening import Index, Kind, open_index, open_search
from serving.scheduler import Computed
from serving.settings import Engine

RECALL_QUERIES = 1000


class Counting:
    """An index that counts its micro-batches."""

    def __init__(self, inner: Index) -> None:
        self.lanes, self.device, self.max_rows = inner.lanes, inner.device, inner.max_rows
        self.batches = self.rows = 0
        self._inner = inner

    def compute(self, rows: Sequence[FeatureRow], alone: bool) -> Computed:
        """Compute as the inner one does."""
        self.batches += 1
        self.rows += len(rows)
        return self._inner.compute(rows, alone)


@dataclass(frozen=True)
class Asked:
    """One arm in one round."""

    alone_ms: list[float]
    per_s: float
    busy_ms: list[float]


async def measure_exact(sizes: Sizes) -> Exact:
    """Measure exact search and numpy in turn."""
    rng = np.random.default_rng(SEED)
    basis = draw_basis(rng, sizes.dimensions)
    queries = draw_vectors(rng, sizes.rounds * sizes.questions, sizes.dimensions, basis)
    questions = draw_questions(rng, queries, sizes.items, sizes.seen)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_items(root, draw_vectors(rng, sizes.items, sizes.dimensions, basis))
        before = Memory.now()
        catalogue = Catalogue.read(root)
        index = Counting(open_index(root, _record(sizes.items), catalogue, Engine(device="cpu"), "exact"))
        ours = Indexed("exact index, as served", open_search("bench-exact", index, catalogue))
        await time_alone(ours, questions[:10], sizes.depth)
        memory = Memory.now().since(before)
        arms: list[Arm] = [PlainNumpy(catalogue.vectors), ours]
        rounds, other_cores = await _rounds(arms, questions, sizes)
        batched = await _mean_batch(ours, index, questions, sizes)
        ours.search.close()
    return Exact(
        items=sizes.items,
        callers=sizes.callers,
        arms=[_figures(arm.title, asked) for arm, asked in zip(arms, rounds, strict=True)],
        p50_ratio=round_ratios(*([median(one.alone_ms) for one in asked] for asked in rounds[::-1])),
        throughput_ratio=round_ratios(*([one.per_s for one in asked] for asked in rounds[::-1])),
        mean_batch=batched,
        memory=memory,
        other_cores=other_cores,
    )


async def measure_large(sizes: Sizes) -> Large:
    """Build an approximate index, then measure it, exact search over the same items, and numpy in turn."""
    rng = np.random.default_rng(SEED)
    basis = draw_basis(rng, sizes.dimensions)
    queries = draw_vectors(rng, sizes.rounds * sizes.questions, sizes.dimensions, basis)
    questions = draw_questions(rng, queries, sizes.large, sizes.seen)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        vectors = draw_vectors(rng, sizes.large, sizes.dimensions, basis)
        write_items(root, vectors)
        begin = time.perf_counter()
        metric = write_hnsw(root, vectors, draw_vectors(rng, 500, sizes.dimensions, basis))
        build_s = time.perf_counter() - begin
        fresh = draw_vectors(rng, RECALL_QUERIES, sizes.dimensions, basis)
        truth = exact_top(vectors, fresh, sizes.depth)  # [queries, depth]
        del vectors
        before = Memory.now()
        catalogue = Catalogue.read(root)
        arms: list[Arm] = [_indexed("approximate index, as served", root, catalogue, "approximate")]
        await time_alone(arms[0], questions, sizes.depth)
        memory = Memory.now().since(before)
        recall = await _recall(arms[0], fresh, truth)
        arms += [_indexed("exact index, as served", root, catalogue, "exact"), PlainNumpy(catalogue.vectors)]
        rounds, other_cores = await _rounds(arms, questions, sizes)
        for arm in arms:
            if isinstance(arm, Indexed):
                arm.search.close()
        figures = [_figures(arm.title, asked) for arm, asked in zip(arms, rounds, strict=True)]
        return Large(
            items=sizes.large,
            callers=sizes.callers,
            arms=figures,
            build_s=build_s,
            protocol=metric.protocol,
            asked=len(fresh),
            recall=recall,
            p99_ms=figures[0].p99_ms.median,
            graph_mib=(root / HNSW_FILE).stat().st_size / MIB,
            vectors_mib=(root / VECTORS_FILE).stat().st_size / MIB,
            memory=memory,
            other_cores=other_cores,
        )


def write_items(root: Path, vectors: Vectors) -> None:
    """Write a catalogue of vectors [items, dimensions] with an id and a title for each, and the exact graph."""
    ids = [str(position) for position in range(len(vectors))]
    records = [{"id": name, "title": f"Item {name}"} for name in ids]
    Catalogue.write(root, ids, vectors, records, [], np.zeros(len(ids), dtype=np.float32))
    write_topk(root, vectors.shape[1])


def _record(items: int, approximate: str | None = None) -> IndexRecord:
    return IndexRecord(items=items, exact=EXACT_FILE, approximate=approximate)


def _indexed(title: str, root: Path, catalogue: Catalogue, kind: Kind) -> Indexed:
    index = open_index(root, _record(len(catalogue), HNSW_FILE), catalogue, Engine(device="cpu"), kind)
    return Indexed(title, open_search(f"bench-{kind}", index, catalogue))


async def _rounds(arms: Sequence[Arm], questions: Sequence[Question], sizes: Sizes) -> tuple[list[list[Asked]], float]:
    """Return what each arm did in each round, and the cores that the rest of the machine took meanwhile."""
    rounds: list[list[Asked]] = [[] for _ in arms]
    for arm in arms:
        await time_alone(arm, questions[:10], sizes.depth)
    begin, own, machine = time.monotonic(), time.process_time(), machine_cpu_s()
    for turn in range(sizes.rounds):
        asked = questions[turn * sizes.questions : (turn + 1) * sizes.questions]
        for arm, done in zip(arms, rounds, strict=True):
            alone = await time_alone(arm, asked, sizes.depth)
            callers = sizes.callers if isinstance(arm, Indexed) else 1
            done.append(Asked(alone, *await count_answers(arm, questions, sizes.depth, callers, sizes.window_s)))
    others = (machine_cpu_s() - machine) - (time.process_time() - own)
    return rounds, max(0.0, others / (time.monotonic() - begin))


async def _mean_batch(arm: Indexed, index: Counting, questions: Sequence[Question], sizes: Sizes) -> float:
    index.batches = index.rows = 0
    await count_answers(arm, questions, sizes.depth, sizes.callers, sizes.window_s / 2)
    return index.rows / index.batches


async def _recall(arm: Arm, queries: Vectors, truth: NDArray[np.int64]) -> float:
    """Return the mean share of the exact answers [queries, depth] that come back."""
    nothing = np.zeros(0, dtype=np.int64)
    found = [await arm.answer(Question(query, nothing), truth.shape[1]) for query in queries]
    return float(np.mean([np.isin(exact, positions).mean() for exact, positions in zip(truth, found, strict=True)]))


def _figures(title: str, asked: Sequence[Asked]) -> ArmFigures:
    return ArmFigures(
        title=title,
        p50_ms=_spread([one.alone_ms for one in asked], 50),
        p95_ms=_spread([one.alone_ms for one in asked], 95),
        p99_ms=_spread([one.alone_ms for one in asked], 99),
        per_s=Spread.of([one.per_s for one in asked]),
        busy_p50_ms=_spread([one.busy_ms for one in asked], 50),
        busy_p99_ms=_spread([one.busy_ms for one in asked], 99),
    )


def _spread(rounds: Sequence[Sequence[float]], at: float) -> Spread:
    """Return the spread of a percentile over the rounds."""
    return Spread.of([percentiles(np.array(values), [at])[0] for values in rounds])
