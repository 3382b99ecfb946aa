"""From trained encoders to a recommender's bundle: graphs give what PyTorch gives, for any record, in any batch."""

import copy
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bundle.bundle import Bundle
from bundle.catalogue import Catalogue
from bundle.golden import cosine_rows
from bundle.histories import Histories
from bundle.manifest import Precision, Role, Task
from export.errors import ExportError
from export.recommender import Recommender, build_recommender
from export.runner import Run, embed, run_graph, run_named
from export.two_tower import recommender_of
from features.fields import FieldFeatures
from features.people import User
from features.record import Record
from features.records import Book
from features.towers import TowersConfig
from serving.loading import sound_engines
from serving.settings import Engine
from tests.trained import Home, quiet
from tests.trained_recommenders import train_books
from training.trained_two_tower import TrainedTwoTower

ROLES = [Role.USER, Role.ITEM]


@pytest.fixture(scope="module")
def graphs(exported_books: Bundle) -> dict[Role, tuple[Run, FieldFeatures]]:
    """The floats of each encoder, and the features that the bundle brings."""
    features = TowersConfig.open(exported_books.root).features()
    files = {role: exported_books.root / f"graphs/{role}.fp32.onnx" for role in ROLES}
    return {role: (run_graph(files[role]), features["user" if role is Role.USER else "item"]) for role in ROLES}


def pytorch(trained: TrainedTwoTower, role: Role) -> Run:
    module = trained.module.user_encoder() if role is Role.USER else trained.module.item_encoder()
    return run_named(module, module.names)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
@pytest.mark.parametrize("role", ROLES)
def test_graphs_give_what_pytorch_gives(
    trained_books: TrainedTwoTower, exported_books: Bundle, role: Role, precision: Precision
) -> None:
    recipe = trained_books.recipe
    records: list[Any] = recipe.users(recipe.holdout.history) if role is Role.USER else list(recipe.books)
    features = recipe.user_features if role is Role.USER else recipe.item_features
    records = records if precision is Precision.FP32 else records[:32]
    expected = embed(pytorch(trained_books, role), features, records)
    found = embed(run_graph(exported_books.root / f"graphs/{role}.{precision}.onnx"), features, records)
    np.testing.assert_allclose(found, expected, atol=1e-5 if precision is Precision.FP32 else 5e-3)


def test_the_catalogue_holds_the_trained_model_s_vectors_and_what_is_shown(
    trained_books: TrainedTwoTower, exported_books: Bundle
) -> None:
    recipe, catalogue = trained_books.recipe, Catalogue.read(exported_books.root)
    assert catalogue.ids == recipe.data.item_ids
    np.testing.assert_allclose(catalogue.vectors, trained_books.item_vectors, atol=1e-5)
    assert np.array_equal(catalogue.popularity, recipe.holdout.train.sum(axis=0).A1)
    assert catalogue.fields == ("author", "publisher", "year", "tags")
    for position in (0, len(catalogue) - 1):
        book = recipe.books[position]
        shown = {"id": book.id, "title": book.title, "author": book.author, "year": book.year}
        assert catalogue.record_of(position) == shown | {"publisher": book.publisher, "tags": list(book.tags)}


def test_known_users_bring_all_that_is_not_test_and_their_attributes(
    trained_books: TrainedTwoTower, exported_books: Bundle
) -> None:
    recipe, data = trained_books.recipe, trained_books.recipe.data
    histories = Histories.read(exported_books.root, len(data.item_ids))
    history, test = recipe.holdout.history, recipe.holdout.test
    for user, name in enumerate(data.user_ids):
        found = histories.of(name)
        assert found is not None
        assert found.tolist() == history.indices[history.indptr[user] : history.indptr[user + 1]].tolist()
        assert not set(found.tolist()) & set(test[user].indices.tolist())
    country, age = data.people["country"][0], data.people["age"][0]
    told = {"country": country} | ({} if age is None else {"age": age})
    assert dict(histories.attributes_of(data.user_ids[0])) == told


def test_the_manifest_tells_both_encoders_the_index_and_the_data(
    trained_books: TrainedTwoTower, exported_books: Bundle
) -> None:
    manifest = exported_books.manifest
    assert (manifest.family, manifest.record) == ("two_tower", "book")
    assert manifest.tasks == [Task.EMBED, Task.RECOMMEND]
    made = {(graph.role, graph.precision) for graph in manifest.graphs}
    assert made == {(role, precision) for role in ROLES for precision in (Precision.FP32, Precision.FP16)}
    too_small = [drop for drop in manifest.dropped if drop.precision is Precision.INT8]
    assert {drop.role for drop in too_small} == set(ROLES)
    assert all("no table large enough" in drop.reason for drop in too_small)
    assert manifest.index is not None
    assert (manifest.index.items, manifest.index.approximate) == (len(trained_books.recipe.books), None)
    assert manifest.training_data is not None
    assert manifest.training_data.description.startswith("GENERATED SAMPLE")
    assert manifest.training_data.rows == trained_books.recipe.holdout.train.nnz
    assert manifest.dimensions == trained_books.item_vectors.shape[1]
    exported_books.verify()


@pytest.mark.parametrize("role", ROLES)
def test_every_encoder_has_a_self_test_with_records_at_the_edges(exported_books: Bundle, role: Role) -> None:
    golden = exported_books.golden_of(role)
    assert len(golden.inputs) >= 12
    assert "{}" in golden.inputs or role is Role.ITEM
    assert {engine.role for engine in sound_engines(exported_books, Engine(precision=Precision.FP32))} == set(ROLES)


texts = st.text(st.sampled_from("abcé 数,\n"), max_size=12)
names = st.one_of(st.integers(0, 300).map("sample-{:06d}".format), texts.map("x".__add__))
ids = st.one_of(st.none(), names)
tags = st.lists(st.sampled_from(["fantasy", "crime", "", "never heard of", "FANTASY "]), max_size=6)
books: st.SearchStrategy[Record] = st.builds(
    Book, id=ids, title=texts, author=texts, publisher=texts, year=st.one_of(st.none(), st.integers(-800, 2030)),
    tags=tags,
)  # fmt: skip
readers: st.SearchStrategy[Record] = st.builds(
    User,
    id=ids,
    history=st.lists(names, max_size=40),
    attributes=st.dictionaries(st.sampled_from(["country", "age"]), st.one_of(texts, st.floats(-1e6, 1e6)), max_size=2),
)


def vectors(graph: tuple[Run, FieldFeatures], records: list[Record], rows: int) -> NDArray[np.float32]:
    run, features = graph
    return embed(run, features, records, rows=rows, by_length=False)


@settings(max_examples=40)
@given(records=st.lists(readers, min_size=2, max_size=12))
def test_a_reader_s_vector_does_not_depend_on_the_batch(graphs: Any, records: list[Record]) -> None:
    together, alone = (vectors(graphs[Role.USER], records, rows) for rows in (len(records), 1))
    assert np.isfinite(alone).all()
    np.testing.assert_allclose(together, alone, atol=2e-6)


@settings(max_examples=40)
@given(records=st.lists(books, min_size=2, max_size=12))
def test_a_book_s_vector_does_not_depend_on_the_batch(graphs: Any, records: list[Record]) -> None:
    together, alone = (vectors(graphs[Role.ITEM], records, rows) for rows in (len(records), 1))
    assert np.isfinite(alone).all()
    np.testing.assert_allclose(together, alone, atol=2e-6)


def test_a_batch_may_mix_the_empty_the_single_and_the_repeated(graphs: Any, trained_books: TrainedTwoTower) -> None:
    first, second, *others = trained_books.recipe.data.item_ids
    people: list[Record] = [
        User(), User(history=(first,)), User(history=(first, first)), User(history=(second, first, second)),
        User(history=tuple(others)), User(history=("unknown",) * 3), User(id="new", attributes={"age": float("1e9")}),
    ]  # fmt: skip
    shelf: list[Record] = [
        Book(), Book(tags=("fantasy",)), Book(tags=("fantasy", "fantasy")), Book(title="a b " * 20),
        Book(id=first), Book(id="unknown", tags=tuple(f"t{number}" for number in range(60))),
    ]  # fmt: skip
    for role, records in ((Role.USER, people), (Role.ITEM, shelf)):
        alone = vectors(graphs[role], records, 1)
        for order in (np.arange(len(records)), np.arange(len(records))[::-1]):
            together = vectors(graphs[role], [records[at] for at in order], len(records))
            np.testing.assert_allclose(together, alone[order], atol=2e-6)


def test_augmented_vectors_of_the_unknown_are_zero_in_the_graphs(exported_books: Bundle, graphs: Any) -> None:
    """Who is new is told by what they read: whatever the id, it is as if there were none."""
    reader, book = User(history=("sample-000001",)), Book(title="The Long Rain", tags=("fantasy",))
    for role, record in ((Role.USER, reader), (Role.ITEM, book)):
        nobody, new, other = vectors(
            graphs[role], [record, *(record.model_copy(update={"id": name}) for name in ("new", "x"))], 3
        )
        assert np.array_equal(nobody, new)
        assert np.array_equal(new, other)
    users = Histories.read(exported_books.root, exported_books.manifest.index.items)  # type: ignore[union-attr]
    assert users.of("sample-000001") is not None
    known = reader.model_copy(update={"id": "sample-000001"})
    assert np.abs(np.diff(vectors(graphs[Role.USER], [reader, known], 2), axis=0)).max() > 1e-3


def test_weights_and_content_of_histories_are_baked_into_one_table(
    trained_books: TrainedTwoTower, exported_books: Bundle
) -> None:
    graph = onnx.load(exported_books.root / "graphs/user.fp32.onnx").graph
    module = trained_books.module
    tables = [onnx.numpy_helper.to_array(one) for one in graph.initializer]
    wanted = module.user_encoder().get_parameter("content.history.weight").detach().numpy()
    assert any(table.shape == wanted.shape and np.allclose(table, wanted, atol=1e-6) for table in tables)
    assert not {"Exp", "Loop", "If", "MatMulInteger"} & {node.op_type for node in graph.node}
    assert len(graph.input) == len(trained_books.recipe.user_features.config.fields)


@pytest.fixture
def made_already(exported_books: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have floats copied from the bundle, which takes no time, and tables of few rows count as large."""

    def copied(module: Any, examples: Any, path: Path, output: str, fixed: Any) -> None:
        shutil.copy(exported_books.root / "graphs" / path.name, path)

    monkeypatch.setattr("export.recommender.export_named", copied)
    monkeypatch.setattr("export.tables.LEAST_ROWS", 60)


def with_config(trained: TrainedTwoTower, **changed: Any) -> Recommender:
    recommender = recommender_of(trained, "changed")
    return replace(recommender, config=recommender.config.model_copy(update=changed))


def with_limits(trained: TrainedTwoTower, **limits: float) -> Recommender:
    return with_config(trained, tolerances=trained.recipe.config.export.tolerances.model_copy(update=limits))


@pytest.mark.usefixtures("made_already", "at_home")
def test_large_tables_are_served_in_eight_bits(trained_books: TrainedTwoTower, tmp_path: Path) -> None:
    bundle = build_recommender(with_config(trained_books, precisions=(Precision.INT8,)), tmp_path, quiet())
    eight = [graph for graph in bundle.manifest.graphs if graph.precision is Precision.INT8]
    assert {graph.role for graph in eight} == set(ROLES)
    recipe = trained_books.recipe
    everybody: list[Any] = recipe.users(recipe.holdout.history)
    for role, records in ((Role.USER, everybody), (Role.ITEM, recipe.books)):
        features = features_of(trained_books, role)
        found = embed(run_graph(tmp_path / f"graphs/{role}.int8.onnx"), features, records)
        assert cosine_rows(found, embed(pytorch(trained_books, role), features, records)).min() > 0.98
    assert {engine.graph.precision for engine in sound_engines(bundle, Engine())} == {Precision.INT8}


@pytest.mark.usefixtures("made_already", "at_home")
def test_a_pass_that_fails_its_gate_is_dropped_and_the_others_stay(
    trained_books: TrainedTwoTower, tmp_path: Path
) -> None:
    recommender = with_limits(trained_books, fp16_min_cosine=1.1)
    recommender = replace(recommender, config=recommender.config.model_copy(update={"int8_min_cosine": 1.1}))
    manifest = build_recommender(recommender, tmp_path, quiet()).manifest
    assert {graph.precision for graph in manifest.graphs} == {Precision.FP32}
    assert {(drop.role, drop.precision) for drop in manifest.dropped} == {
        (role, precision) for role in ROLES for precision in (Precision.INT8, Precision.FP16)
    }
    assert all("smallest cosine to PyTorch" in drop.reason for drop in manifest.dropped)
    assert sorted(path.name for path in (tmp_path / "graphs").iterdir()) == ["item.fp32.onnx", "user.fp32.onnx"]


@pytest.mark.usefixtures("made_already", "at_home")
@pytest.mark.parametrize("role", ROLES)
def test_floats_that_do_not_agree_with_pytorch_are_no_bundle(
    trained_books: TrainedTwoTower, tmp_path: Path, role: Role
) -> None:
    recommender = recommender_of(trained_books, "wrong")
    side = next(side for side in recommender.sides if side.role is role)
    other = copy.deepcopy(side.module)
    with torch.no_grad():
        weight = other.get_parameter("head.project.weight")
        weight.add_(0.1 * torch.randn_like(weight))
    sides = [replace(one, module=other) if one is side else one for one in recommender.sides]
    with pytest.raises(ExportError, match=f"fp32 graph does not agree with PyTorch: {role} fp32: smallest cosine"):
        build_recommender(replace(recommender, sides=sides), tmp_path, quiet())
    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize(
    ("fusion", "variant", "similarity", "kind"),
    [("sum", "plain", "dot", "in_batch"), ("mlp", "dat", "cosine", "sampled"), ("gated", "plain", "cosine", "all")],
)
def test_every_way_to_build_is_exported(
    at_home: Home, tmp_path: Path, fusion: str, variant: str, similarity: str, kind: str
) -> None:
    trained = train_books(
        at_home, "data.sample.rows=4000", "training.epochs=1", f"towers.fusion={fusion}", f"towers.variant={variant}",
        f"towers.similarity={similarity}", f"objective.negatives={{kind: {kind}, count: 40}}", "reads.user=[]",
        "reads.item=[decade]", "reads.user_ids=true", "export.precisions=[]", root=tmp_path,
    )  # fmt: skip
    bundle = build_recommender(recommender_of(trained, "shape"), tmp_path / "bundle", quiet())
    assert [graph.precision for graph in bundle.manifest.graphs] == [Precision.FP32] * 2
    for role in ROLES:
        golden = bundle.golden_of(role)
        found = embed(run_graph(bundle.root / f"graphs/{role}.fp32.onnx"), features_of(trained, role), golden.inputs)
        np.testing.assert_allclose(found, golden.outputs, atol=1e-5)


def features_of(trained: TrainedTwoTower, role: Role) -> FieldFeatures:
    return trained.recipe.user_features if role is Role.USER else trained.recipe.item_features
