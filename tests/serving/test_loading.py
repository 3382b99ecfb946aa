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
from serving.loading import sound_engine
from serving.settings import Engine


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
        engine = sound_engine(saturating, Engine())
    assert engine.graph.precision is Precision.FP32
    assert "8-bit graph fails on this processor" in caplog.text


def test_eight_bits_that_are_asked_for_are_not_replaced(saturating: Bundle) -> None:
    with pytest.raises(BundleError, match="cosine"):
        sound_engine(saturating, Engine(precision=Precision.INT8))


def test_a_float_graph_that_fails_makes_the_bundle_unusable(saturating: Bundle) -> None:
    graphs = [saturating.manifest.graphs[1].model_copy(update={"precision": Precision.FP32})]
    with pytest.raises(BundleError, match="cosine"):
        sound_engine(Bundle(saturating.root, saturating.manifest.model_copy(update={"graphs": graphs})), Engine())
