"""From a trained encoder of works to its bundle: the graph gives what PyTorch gives, whatever a work holds or lacks."""

import time
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bundle.bundle import Bundle
from bundle.catalogue import Catalogue
from bundle.histories import HISTORIES_FILE
from bundle.manifest import Precision, Role, Task
from export.errors import ExportError
from export.runner import Run, embed, run_graph, run_named
from export.runs import export_run
from export.works import FACETS, neighbourhood
from features.fields import FieldFeatures
from features.towers import TowersConfig
from features.works import Tags, Work
from models.fields import FieldBag
from serving.loading import load_model
from serving.recommender.answers import Asked
from serving.recommender.model import RecommenderModel
from serving.settings import Settings
from tests.trained import Home, quiet
from tests.trained_recommenders import WORKS
from training.trained_works import TrainedWorks
from training.work_features import bare

FLOORS = "export.sample_floors={fandom_at_10: 0.1, ship_at_10: 0.999}"


@pytest.fixture(scope="module")
def graph(exported_works: Bundle) -> tuple[Run, FieldFeatures]:
    """The floats, and the features that the bundle brings."""
    features = TowersConfig.open(exported_works.root).features()["item"]
    return run_graph(exported_works.root / "graphs/item.fp32.onnx"), features


@pytest.mark.parametrize(
    ("precision", "slack"), [(Precision.FP32, 1e-5), (Precision.FP16, 1e-2), (Precision.INT8, 5e-2)]
)
def test_graphs_give_what_pytorch_gives(
    trained_works: TrainedWorks, exported_works: Bundle, precision: Precision, slack: float
) -> None:
    recipe = trained_works.recipe
    works = [*recipe.records[:20], *map(bare, recipe.records[20:40]), Work()]
    expected = embed(run_named(trained_works.module.cpu(), trained_works.module.names), recipe.features, works)
    found = embed(run_graph(exported_works.root / f"graphs/item.{precision}.onnx"), recipe.features, works)
    np.testing.assert_allclose(found, expected, atol=slack)


def test_rows_of_the_graph_are_bounded_those_of_training_need_not_be(
    trained_works: TrainedWorks, exported_works: Bundle
) -> None:
    bags = [bag for bag in trained_works.module.modules() if isinstance(bag, FieldBag)]
    assert any(bag.weight.norm(dim=1).max() > 1.05 for bag in bags)
    assert all(bag.max_norm == 1.0 for bag in bags)  # export has left the trained module as it was
    made = onnx.load(exported_works.root / "graphs/item.fp32.onnx").graph
    looked_up = {node.input[0] for node in made.node if node.op_type == "Gather"}
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in made.initializer if tensor.name in looked_up]
    tables = [array for array in arrays if array.shape in {bag.weight.shape for bag in bags}]
    assert len(tables) == len(bags)
    assert max(np.linalg.norm(table, axis=1).max() for table in tables) == pytest.approx(1, abs=1e-5)
    assert not {"ReduceL2", "Min", "Loop", "If"} & {node.op_type for node in made.node if node.input[0] in looked_up}


tags = st.lists(
    st.sampled_from(["Fluff", "fluff", " FLUFF ", "Angst", "", "never heard of", "数", "a/b", "?!"]), max_size=5
)
works = st.builds(
    Work,
    title=st.sampled_from(["", "Light", "light of winter", "x" * 300, "5 Times"]),
    summary=st.sampled_from(["", "Two people meet."]),
    tags=st.builds(Tags, fandom=tags, category=tags, rating=tags, character=tags, relationship=tags, freeform=tags),
)


def vectors(graph: tuple[Run, FieldFeatures], records: Sequence[Work], rows: int) -> NDArray[np.float32]:
    return embed(*graph, records, rows=rows, by_length=False)


@given(records=st.lists(works, min_size=2, max_size=12))
def test_a_work_s_vector_does_not_depend_on_the_batch(graph: tuple[Run, FieldFeatures], records: list[Work]) -> None:
    together, alone = (vectors(graph, records, rows) for rows in (len(records), 1))
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(together, alone, atol=2e-6)


def test_the_empty_the_single_and_the_repeated_in_one_batch(graph: tuple[Run, FieldFeatures]) -> None:
    one, two = (Work(tags=Tags(freeform=names)) for names in (("Fluff",), ("Fluff", "fluff ", "FLUFF")))
    records = [Work(), one, two, Work(title="a " * 2000), Work(tags=Tags(fandom=("a", "a"), relationship=("b",)))]
    alone = vectors(graph, records, 1)
    for order in (np.arange(5), np.arange(5)[::-1]):
        together = vectors(graph, [records[at] for at in order], 5)
        np.testing.assert_allclose(together, alone[order], atol=2e-6)
    assert np.array_equal(alone[1], alone[2])  # a tag that is given twice is given
    assert np.abs(alone[0] - alone[1]).max() > 1e-3


def test_the_catalogue_holds_all_works_by_all_that_is_known_of_them(
    trained_works: TrainedWorks, exported_works: Bundle
) -> None:
    recipe, catalogue = trained_works.recipe, Catalogue.read(exported_works.root)
    assert catalogue.ids == recipe.data.ids
    np.testing.assert_allclose(catalogue.vectors, trained_works.whole, atol=1e-5)
    assert catalogue.fields == FACETS
    assert not (exported_works.root / HISTORIES_FILE).exists()
    for position in (0, len(catalogue) - 1):
        work = recipe.records[position]
        assert catalogue.popularity[position] == work.statistics.kudos
        assert catalogue.title_of(position) == work.title
        assert Work.model_validate(catalogue.record_of(position)) == work
        for field in ("tags.fandom", "tags.relationship", "tags.freeform", "authors"):
            assert catalogue.values_of(position, field) == work.values(field)
            assert all(position in catalogue.positions(field, value.upper()) for value in work.values(field))


def test_the_manifest_tells_the_encoder_and_what_it_has_shown(
    trained_works: TrainedWorks, exported_works: Bundle
) -> None:
    manifest = exported_works.manifest
    assert (manifest.family, manifest.record, manifest.tasks) == ("sparse_fields", "work", [Task.EMBED, Task.RECOMMEND])
    assert {(made.role, made.precision) for made in manifest.graphs} == {
        (Role.ITEM, precision) for precision in (Precision.FP32, Precision.INT8, Precision.FP16)
    }
    assert manifest.normalized
    assert manifest.training_data is not None
    assert manifest.training_data.rows == len(trained_works.recipe.data.train)
    metrics = {one.name: one for one in manifest.metrics}
    assert metrics["ship@10"].value == trained_works.metrics.best.validation["ship@10"]
    assert "title and free tags of validation works" in metrics["ship@10"].protocol
    exported_works.verify()


def test_graphs_are_judged_by_works_that_nothing_was_trained_on(trained_works: TrainedWorks) -> None:
    task = neighbourhood(trained_works)
    asked = {trained_works.recipe.records[at].title for at in trained_works.recipe.data.validation}
    assert {work.title for work in task.texts[: task.asked]} <= asked
    assert not any(work.tags.relationship or work.tags.fandom for work in task.texts[: task.asked])
    assert all(work.tags.relationship for work in task.texts[task.asked : 2 * task.asked])
    found = trained_works.vectors(task.texts)
    lot = np.random.default_rng(0).normal(size=found.shape).astype(np.float32)
    assert task.score(found).value > 3 * task.score(lot).value


async def test_the_served_model_recommends_for_works_and_for_records(
    trained_works: TrainedWorks, exported_works: Bundle
) -> None:
    model = load_model("small-works", Settings())
    assert isinstance(model, RecommenderModel)
    work, deadline = trained_works.recipe.records[0], time.monotonic() + 60
    try:
        by_id = await model.recommend(Asked(items=[work.id], k=5), deadline=deadline)
        record = {"title": "Light", "tags": {"relationship": list(work.tags.relationship), "freeform": ["new to all"]}}
        asked = Asked(record=record, k=5, filters={"required": {"tags.fandom": work.tags.fandom[0].upper()}})
        by_record = await model.recommend(asked, deadline=deadline)
        cold = await model.recommend(Asked(k=1), deadline=deadline)
    finally:
        model.close()
    assert work.id not in [item.id for item in by_id.items]
    catalogue, top = Catalogue.read(exported_works.root), trained_works.whole @ trained_works.whole[0]
    top[0] = -np.inf
    assert {item.id for item in by_id.items} == {catalogue.ids[at] for at in np.argsort(-top)[:5]}
    found = [catalogue.position_of(item.id) for item in by_record.items]
    assert all(at is not None and catalogue.values_of(at, "tags.fandom") == list(work.tags.fandom) for at in found)
    assert cold.cold_start
    assert cold.items[0].id == catalogue.ids[int(catalogue.popularity.argmax())]


def test_an_encoder_below_its_floor_gets_no_bundle(home: Home, trained_works: TrainedWorks) -> None:
    with home.entered(), pytest.raises(ExportError, match=r"ship@10 is 0\.\d+, below its floor of 0\.999"):
        export_run("works", (*WORKS, FLOORS), steps=quiet())
    with home.entered(), pytest.raises(ExportError, match="no run 'none'"):
        export_run("works", WORKS, run_name="none", steps=quiet())
