import logging
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bundle.bundle import Bundle, seal
from bundle.errors import BundleError
from bundle.manifest import Precision, Provider
from features.labels import LABELS_FILE
from features.pipeline import FEATURES_FILE
from serving.bounds import Cost
from serving.loading import load_engines, load_model, make_scheduler, sound_engines
from serving.opening import open_parts
from serving.settings import Batching, Engine, Queue, Settings
from tests.tiny_classifier import GRAPH_FILE, LABELS


@pytest.fixture
def saturating(tiny: Bundle, tmp_path: Path) -> Bundle:
    """A bundle whose 8-bit graph computes something else on this machine than it did where it was gated."""
    root = tmp_path / "bundle"
    shutil.copytree(tiny.root, root)
    model = onnx.load(root / "graphs/encoder.fp32.onnx")
    [table] = [tensor for tensor in model.graph.initializer if tensor.name == "table"]
    spoilt = -np.abs(numpy_helper.to_array(table))
    table.CopyFrom(numpy_helper.from_array(spoilt, "table"))
    onnx.save(model, root / "graphs/encoder.int8.onnx")
    fp32 = tiny.manifest.graphs[0]
    int8 = fp32.model_copy(update={"file": "graphs/encoder.int8.onnx", "precision": Precision.INT8})
    return seal(root, tiny.manifest.model_copy(update={"graphs": [fp32, int8]}))


def test_eight_bits_that_fail_here_give_way_to_floats(saturating: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    assert saturating.pick([Provider.CPU])[0].precision is Precision.INT8
    with caplog.at_level(logging.WARNING, logger="jubako.loading"):
        (engine,) = sound_engines(saturating, Engine())
    assert engine.graph.precision is Precision.FP32
    assert "8-bit graph fails on this processor" in caplog.text


def test_eight_bits_that_are_asked_for_are_not_replaced(saturating: Bundle) -> None:
    with pytest.raises(BundleError, match="cosine"):
        sound_engines(saturating, Engine(precision=Precision.INT8))


def test_a_float_graph_that_fails_makes_the_bundle_unusable(saturating: Bundle) -> None:
    graphs = [saturating.manifest.graphs[1].model_copy(update={"precision": Precision.FP32})]
    with pytest.raises(BundleError, match="cosine"):
        sound_engines(Bundle(saturating.root, saturating.manifest.model_copy(update={"graphs": graphs})), Engine())


@pytest.fixture
def spoilt_tales(tales: Bundle, tmp_path: Path) -> Bundle:
    """A classifier that a test may spoil."""
    shutil.copytree(tales.root, tmp_path / "tales")
    return Bundle.open(tmp_path / "tales")


def test_a_classifier_whose_scores_are_off_is_refused(spoilt_tales: Bundle) -> None:
    model = onnx.load(spoilt_tales.root / GRAPH_FILE)
    [bias] = [tensor for tensor in model.graph.initializer if tensor.name == "bias"]
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.2), "bias"))
    onnx.save(model, spoilt_tales.root / GRAPH_FILE)
    with pytest.raises(BundleError, match="a score is"):
        sound_engines(spoilt_tales, Engine())


def test_a_classifier_with_other_labels_than_outputs_is_refused(spoilt_tales: Bundle) -> None:
    fewer = LABELS.model_copy(update={"labels": LABELS.labels[:-1]})
    (spoilt_tales.root / LABELS_FILE).write_text(fewer.model_dump_json())
    with pytest.raises(BundleError, match="4 labels for 5 outputs"):
        open_parts(spoilt_tales)


def test_a_classifier_that_reads_other_records_than_it_says_is_refused(spoilt_tales: Bundle) -> None:
    manifest = spoilt_tales.manifest.model_copy(update={"record": "paper"})
    with pytest.raises(BundleError, match="reads a book, the manifest says paper"):
        open_parts(Bundle(spoilt_tales.root, manifest))


@pytest.mark.parametrize(
    ("spoil", "told"), [("{}", r"features\.json: record"), (None, r"features\.json: cannot be read")]
)
def test_features_that_are_missing_or_wrong_are_named(spoilt_tales: Bundle, spoil: str | None, told: str) -> None:
    (spoilt_tales.root / FEATURES_FILE).unlink()
    if spoil is not None:
        (spoilt_tales.root / FEATURES_FILE).write_text(spoil)
    with pytest.raises(BundleError, match=told):
        open_parts(spoilt_tales)


def test_a_bag_s_tokens_are_light_and_a_joint_model_s_are_not(tales: Bundle, stored_notes: Bundle) -> None:
    assert open_parts(tales).cost is Cost.BAG
    assert open_parts(stored_notes).cost is Cost.TRANSFORMER


def test_a_bag_gets_bounds_of_its_own_unless_they_are_set(stored_tales: Bundle) -> None:
    settings = Settings(models=["tales"])
    parts, (engine,) = load_engines("tales", settings)
    chosen = make_scheduler(parts, engine, settings)
    assert (chosen._room.budget.tokens, chosen._admission.max_tokens) == (32_768, 4_194_304)
    chosen.close()
    given = settings.model_copy(update={"batching": Batching(max_batch_tokens=7), "queue": Queue(max_tokens=9)})
    told = make_scheduler(parts, engine, given)
    assert (told._room.budget.tokens, told._admission.max_tokens) == (7, 9)
    told.close()


async def test_a_classifier_answers_its_probe(stored_tales: Bundle) -> None:
    model = load_model("tales", Settings(models=["tales"]))
    assert model.last_success_age_s < 5
    await model.check(5)
    model.close()
