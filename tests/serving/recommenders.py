"""Two small recommenders in memory: books with an encoder of people, works without one.

Their encoders sum random vectors of what is in a record's fields; a book's tags and a reader's history count most, so
that readers of fantasy are near fantasy. All else is real: features, schedulers, catalogue, search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bundle.catalogue import Catalogue
from bundle.histories import Histories
from bundle.index_files import EXACT_FILE
from bundle.manifest import (
    FileRecord,
    GraphRecord,
    IndexRecord,
    Manifest,
    Parity,
    Precision,
    Provenance,
    Provider,
    Role,
    Task,
    TaskMetric,
)
from features.fields import SUBJECTS, FieldConfig, FieldFeatures, FieldsConfig, Subject
from features.record import read_record
from features.rows import FeatureRow
from features.vocabulary import Vocabulary
from serving.admission import Admission
from serving.batching import Budget
from serving.index.search import Search
from serving.model import Placement
from serving.recommender.explaining import unit
from serving.recommender.model import RecommenderModel
from serving.recommender.tower import Tower
from serving.scheduler import Computed, Device, Scheduler
from serving.settings import Limits
from serving.telemetry.metrics import QueueMetrics, SchedulerMetrics
from tests.serving.index.searching import open_exact

DIMENSIONS = 16
GENRES = ["fantasy", "horror", "poetry", "war"]
AUTHORS = ["Ada Quill", "Ben Ink", "Cy Leaf", "Di Page", "Ed Spine"]
BOOKS: list[dict[str, Any]] = [
    {
        "id": str(100 + number),
        "title": f"The {GENRES[number % 4].title()} of {AUTHORS[number % 5]}, {number}",
        "author": AUTHORS[number % 5],
        "year": 1950 + number,
        "tags": [GENRES[number % 4], *(["classic"] if number % 3 == 0 else [])],
    }
    for number in range(60)
]
WORKS: list[dict[str, Any]] = [
    {
        "id": book["id"],
        "title": book["title"],
        "authors": [book["author"]],
        "tags": {"fandom": [book["tags"][0]], "freeform": book["tags"][1:]},
    }
    for book in BOOKS
]
HISTORIES = {
    "ann": ["100", "104", "108"],
    "bob": ["101", "105", "109", "113", "102"],
    "cat": ["103"],
}
"""Of known users; Ann reads fantasy and Bob horror."""
UNKNOWN_TO_HISTORIES = "dee"
"""A user with an own vector but without a stored history."""
LIMITS = Limits(max_k=50, max_history=100, max_inputs=20)


@dataclass
class Table:
    """An encoder as a device: the sum of a row of a table for each id, of unit length where cosines are compared."""

    features: FieldFeatures
    tables: dict[str, NDArray[np.float32]]
    cosine: bool
    lanes: int = 1
    batches: int = 0

    def compute(self, rows: Sequence[FeatureRow], alone: bool) -> Computed:
        self.batches += 1
        return Computed(self.outputs(rows), sum(map(len, rows)), 0.0001)

    def outputs(self, rows: Sequence[FeatureRow]) -> NDArray[np.float32]:
        feed = self.features.collate(rows)
        vectors = np.zeros((len(rows), DIMENSIONS), dtype=np.float32)
        for name, table in self.tables.items():
            vectors += table[feed.inputs[name]].sum(axis=1)
        return unit(vectors) if self.cosine else vectors


@dataclass
class Made:
    """A recommender with its parts."""

    model: RecommenderModel
    devices: dict[Role, Table]
    catalogue: Catalogue

    def encode(self, role: Role, value: dict[str, Any]) -> NDArray[np.float32]:
        """Encode one record without any of the serving code."""
        device = self.devices[role]
        record = read_record(SUBJECTS[device.features.config.record], value)
        vector: NDArray[np.float32] = device.outputs(device.features.encode([record]))[0]
        return vector

    def genre_of(self, name: str) -> str:
        return GENRES[(int(name) - 100) % 4]


def make_books(root: Path, similarity: Literal["cosine", "dot"] = "dot", limits: Limits = LIMITS) -> Made:
    """Make the recommender of books in `root`."""
    item = _features("book", {"tags": ["tags"], "author": ["author"]}, BOOKS)
    people: list[dict[str, Any]] = [
        *({"id": name, "history": read} for name, read in HISTORIES.items()),
        {"id": UNKNOWN_TO_HISTORIES, "history": [], "attributes": {"country": "japan", "age": 30}},
    ]
    fields = {"user_id": ["id"], "history": ["history"], "country": ["attributes.country"], "age": ["attributes.age"]}
    user = _features("user", fields, people)
    cosine = similarity == "cosine"
    items = Table(item, _tables(item, {"tags": 1.0, "author": 0.2}), cosine)
    users = Table(user, _tables(user, {"user_id": 0.05, "history": 0.0, "country": 0.5, "age": 0.1}), cosine)
    _like_items(users, items, BOOKS)
    return _make(root, {Role.ITEM: items, Role.USER: users}, BOOKS, ["tags", "author"], similarity, limits)


def make_works(root: Path, limits: Limits = LIMITS) -> Made:
    """Make the recommender of works in `root`: one encoder, cosines, no stored histories."""
    features = _features("work", {"fandom": ["tags.fandom"], "author": ["authors"]}, WORKS)
    items = Table(features, _tables(features, {"fandom": 1.0, "author": 0.2}), cosine=True)
    return _make(root, {Role.ITEM: items}, WORKS, ["tags.fandom", "authors"], "cosine", limits)


def _features(kind: Subject, sources: dict[str, list[str]], values: Sequence[dict[str, Any]]) -> FieldFeatures:
    records = [read_record(SUBJECTS[kind], value) for value in values]
    tokens: dict[str, Any] = {"user_id": "ids", "history": "ids"}
    fields = [
        FieldConfig(name=name, source=tuple(source), tokens=tokens.get(name, "values")).fitted(records, oov=3)
        for name, source in sources.items()
    ]
    return FieldFeatures(FieldsConfig(record=kind, fields=tuple(fields)))


def _tables(features: FieldFeatures, scales: dict[str, float]) -> dict[str, NDArray[np.float32]]:
    generator = np.random.default_rng(5)
    tables = {}
    for field in features.config.fields:
        table = scales[field.name] * generator.normal(size=(field.vocabulary.rows, DIMENSIONS))
        table[0] = 0  # padding
        tables[field.name] = table.astype(np.float32)
    return tables


def _like_items(users: Table, items: Table, records: Sequence[dict[str, Any]]) -> None:
    """Give each item of a history the item's own vector; `history` then has a row for every item."""
    rows = items.features.encode([items.features.read(record) for record in records])
    vocabulary = Vocabulary(known=tuple(record["id"] for record in records), oov=1)
    fields = tuple(
        field.model_copy(update={"vocabulary": vocabulary}) if field.name == "history" else field
        for field in users.features.config.fields
    )
    users.features = FieldFeatures(users.features.config.model_copy(update={"fields": fields}))
    padding_and_unknown = np.zeros((2, DIMENSIONS), dtype=np.float32)
    users.tables["history"] = np.concatenate([padding_and_unknown, items.outputs(rows)])


def _make(
    root: Path,
    devices: dict[Role, Table],
    records: Sequence[dict[str, Any]],
    facets: Sequence[str],
    similarity: Literal["cosine", "dot"],
    limits: Limits,
) -> Made:
    items = devices[Role.ITEM]
    vectors = items.outputs(items.features.encode([items.features.read(record) for record in records]))
    ids = [record["id"] for record in records]
    popularity = np.array([(7 * number) % 31 for number in range(len(ids))], dtype=np.float32)
    Catalogue.write(root, ids, vectors, records, facets, popularity)
    catalogue = Catalogue.read(root)
    manifest = _manifest(items.features.config.record, len(ids), similarity)
    towers = {
        role: Tower(manifest, Placement("a table", "memory"), device.features, _scheduler(device))
        for role, device in devices.items()
    }
    search = Search(_scheduler(open_exact(root, catalogue.vectors)), catalogue)
    histories = _histories(root, catalogue) if Role.USER in devices else None
    placement = Placement("tables", "memory")
    return Made(RecommenderModel(manifest, placement, towers, catalogue, histories, search, limits), devices, catalogue)


def _histories(root: Path, catalogue: Catalogue) -> Histories:
    lists = [[catalogue.position_of(name) for name in read] for read in HISTORIES.values()]
    starts = np.cumsum([0, *map(len, lists)], dtype=np.int64)
    positions = np.array([position for read in lists for position in read], dtype=np.int64)
    Histories.write(root, list(HISTORIES), starts, positions)
    return Histories.read(root, len(catalogue))


def _scheduler(device: Device) -> Scheduler:
    admission = Admission(100_000, QueueMetrics("tests"))
    scheduler = Scheduler(device, Budget(4096, 64, 2.0), admission, SchedulerMetrics("tests"))
    scheduler.last_success = monotonic()
    return scheduler


def _manifest(record: Subject, items: int, similarity: Literal["cosine", "dot"]) -> Manifest:
    metric = TaskMetric(name="recall@20", value=1.0, protocol="none: made in a test")
    parity = Parity(reference="itself", rows=1, max_abs=0.0, min_cosine=1.0, mean_cosine=1.0)
    graph = GraphRecord(
        file="graphs/item.fp32.onnx",
        role=Role.ITEM,
        precision=Precision.FP32,
        providers=[Provider.CPU],
        parity=parity,
        batch_invariance=1.0,
        metric=metric,
        metric_drop=0.0,
    )
    blank = FileRecord(sha256="0" * 64, bytes=0)
    return Manifest(
        name=f"{record}s",
        family="tables",
        version="1",
        tasks=[Task.RECOMMEND, Task.EMBED],
        created=datetime.now(UTC),
        provenance=Provenance(source="made in a test", weights_sha256="0" * 64),
        record=record,
        index=IndexRecord(items=items, exact=EXACT_FILE),
        similarity=similarity,
        pooling="sum",
        normalized=similarity == "cosine",
        dimensions=DIMENSIONS,
        matryoshka=[4, 8],
        max_tokens=64,
        graphs=[graph],
        files={graph.file: blank, EXACT_FILE: blank},
    )
