"""A recommender's way from its trained encoders to a bundle in the store. Read top to bottom.

encoders -> fp32 -> gate -> 8-bit -> gate -> fp16 -> gate -> vectors of the catalogue -> index -> bundle
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import nn

from bundle.bundle import Bundle, seal
from bundle.catalogue import Catalogue
from bundle.digest import describe_files, sha256_of
from bundle.golden import Golden
from bundle.histories import Histories
from bundle.index_files import HNSW_FILE
from bundle.manifest import (
    DroppedPass,
    GraphRecord,
    IndexRecord,
    Manifest,
    Precision,
    Provenance,
    Role,
    Task,
    TaskMetric,
    TrainingData,
)
from export.errors import ExportError
from export.gates import Gate, Verdict
from export.gates import Task as GateTask
from export.half import to_half
from export.hnsw import write_hnsw
from export.onnx_graph import export_named
from export.passes import Passes
from export.runner import Run, embed, run_graph, run_named
from export.tables import quantise_tables
from export.topk import write_topk
from features.fields import DENSE, FieldFeatures
from features.record import Record
from features.towers import TowersConfig
from training.run import Run as TrainingRun
from training.steps import Steps
from training.two_tower_config import RecommenderExportConfig

VECTOR = "vector"
GOLDEN_ROWS = 12
"""Of each encoder, drawn from its probes at regular steps."""


@dataclass(frozen=True)
class Side:
    """One encoder."""

    role: Role
    module: nn.Module
    """In evaluation mode; takes the arrays of `names`, one after the other."""
    names: Sequence[str]
    features: FieldFeatures
    probes: Sequence[Record]
    """What graphs are compared on."""
    task: GateTask
    """What its vectors are good for, on records that nothing was trained on."""


@dataclass(frozen=True)
class Shelf:
    """What is recommended."""

    records: Sequence[Record]
    """As the item encoder reads them."""
    shown: Sequence[Mapping[str, Any]]
    """What is told and filtered by."""
    facets: Sequence[str]
    """Fields of what is told that filters may name."""
    popularity: NDArray[np.float32]
    """[items]"""

    @property
    def ids(self) -> list[str]:
        """The items' ids."""
        return [str(item["id"]) for item in self.shown]


@dataclass(frozen=True)
class Readers:
    """Users that the served model knows."""

    ids: Sequence[str]
    histories: csr_matrix
    """[users, items]"""
    attributes: Sequence[Mapping[str, Any]]
    """Of each user, as the user encoder reads them."""


@dataclass(frozen=True)
class Recommender:
    """What a family hands over."""

    name: str
    family: str
    record: Literal["book", "work"]
    run: TrainingRun
    features: TowersConfig
    sides: Sequence[Side]
    shelf: Shelf
    readers: Readers | None
    figures: Sequence[TaskMetric]
    """What the trained model has shown."""
    config: RecommenderExportConfig
    architecture: str
    queries: NDArray[np.float32] | None = None
    """Vectors as the index will be asked with, by which an approximate one is measured, [queries, width]; None: it is
    asked with items."""


def build_recommender(recommender: Recommender, root: Path, steps: Steps) -> Bundle:
    """Export into the empty folder `root` and return the sealed bundle; nothing is stored.

    Raises:
        ExportError: a graph does not agree with PyTorch, or the approximate index misses too much.
    """
    work = [_export_side(side, recommender.config, root, steps) for side in recommender.sides]
    graphs = [graph for passes in work for graph in passes.graphs]
    dropped = [drop for passes in work for drop in passes.dropped]
    item_side = next(side for side in recommender.sides if side.role is Role.ITEM)
    with steps.step(f"vectors of {len(recommender.shelf.shown):,} items"):
        run = run_graph(root / _fp32(graphs, Role.ITEM).file)
        vectors = embed(run, item_side.features, recommender.shelf.records, rows=256)  # [items, width]
    with steps.step("index"):
        shelf, readers = recommender.shelf, recommender.readers
        Catalogue.write(root, shelf.ids, vectors, shelf.shown, shelf.facets, shelf.popularity)
        if readers is not None:
            histories = readers.histories
            Histories.write(root, readers.ids, histories.indptr, histories.indices, readers.attributes)
        index = _write_index(root, vectors, recommender.queries, recommender.config)
    with steps.step("bundle"):
        for side in recommender.sides:
            _write_golden(side, root)
        recommender.features.write(root)
        return seal(root, _manifest(recommender, root, graphs, dropped, index, vectors.shape[1]))


def _export_side(side: Side, config: RecommenderExportConfig, root: Path, steps: Steps) -> Passes:
    with steps.step(f"{side.role}: PyTorch reference"):
        gate = Gate(run_named(side.module, side.names), side.features, side.probes, side.task, config.tolerances)
    work = Passes(root / "graphs", partial(_check, gate, config), steps, side.role)
    fp32 = work.attempt(Precision.FP32, lambda target, tick: _to_onnx(side, target))
    if fp32 is None:
        raise ExportError(f"the fp32 graph does not agree with PyTorch: {work.dropped[-1].reason}")
    if Precision.INT8 in config.precisions:
        work.attempt(Precision.INT8, lambda target, tick: _to_eight_bits(fp32, target))
    if Precision.FP16 in config.precisions:
        work.attempt(Precision.FP16, lambda target, tick: to_half(fp32, target))
    return work


def _check(gate: Gate, config: RecommenderExportConfig, precision: Precision, path: Path) -> Verdict:
    limits = config.tolerances
    if precision is Precision.FP16:
        return gate.check(path, limits.fp16_min_cosine, config.fp16_probe_rows, with_task=False)
    return gate.check(path, config.int8_min_cosine if precision is Precision.INT8 else limits.fp32_min_cosine)


def _to_onnx(side: Side, target: Path) -> None:
    examples = {name: _example(side, place, name) for place, name in enumerate(side.names)}
    export_named(side.module, examples, target, VECTOR, fixed=[DENSE])


def _example(side: Side, place: int, name: str) -> torch.Tensor:
    """Return an input [2, length]; lengths differ, so that the exporter does not take one for another."""
    if name == DENSE:
        dense = side.features.config.dense
        return torch.zeros(2, len(dense.names) if dense is not None else 0)
    return torch.ones(2, 3 + place, dtype=torch.int64)


def _to_eight_bits(fp32: Path, target: Path) -> None:
    if not quantise_tables(fp32, target):
        raise ValueError("the graph has no table large enough to be worth eight bits")


def _write_index(
    root: Path, vectors: NDArray[np.float32], queries: NDArray[np.float32] | None, config: RecommenderExportConfig
) -> IndexRecord:
    exact = write_topk(root, vectors.shape[1])
    if len(vectors) < config.approximate_from:
        return IndexRecord(items=len(vectors), exact=exact)
    recall = write_hnsw(root, vectors, queries)
    return IndexRecord(items=len(vectors), exact=exact, approximate=HNSW_FILE, recall=recall)


def _write_golden(side: Side, root: Path) -> None:
    step = max(1, len(side.probes) // GOLDEN_ROWS)
    texts = [record.model_dump_json(exclude_defaults=True) for record in side.probes[::step]]
    run: Run = run_named(side.module, side.names)
    Golden(texts, embed(run, side.features, texts)).write(root, side.role)


def _manifest(
    recommender: Recommender,
    root: Path,
    graphs: Sequence[GraphRecord],
    dropped: Sequence[DroppedPass],
    index: IndexRecord,
    dimensions: int,
) -> Manifest:
    created, run = datetime.now(UTC), recommender.run
    data, similarity = run.data(), recommender.features.similarity
    parameters = {id(one): one.numel() for side in recommender.sides for one in side.module.parameters()}
    return Manifest(
        name=recommender.name,
        family=recommender.family,
        version=created.strftime("%Y%m%d-%H%M%S"),
        tasks=[Task.EMBED, Task.RECOMMEND],
        created=created,
        provenance=Provenance(
            source="trained from scratch",
            weights_sha256=sha256_of(run.best_weights()),
            architecture=recommender.architecture,
            parameters=sum(parameters.values()),
        ),
        training_data=TrainingData(description=data.description, sha256=data.sha256, rows=data.rows["train"]),
        metrics=list(recommender.figures),
        record=recommender.record,
        index=index,
        similarity=similarity,
        pooling="sum",
        normalized=similarity == "cosine",
        dimensions=dimensions,
        max_tokens=max(side.features.max_tokens for side in recommender.sides),
        tolerances=recommender.config.tolerances,
        graphs=list(graphs),
        dropped=list(dropped),
        files=describe_files(root),
    )


def _fp32(graphs: Sequence[GraphRecord], role: Role) -> GraphRecord:
    return next(graph for graph in graphs if graph.role is role and graph.precision is Precision.FP32)
