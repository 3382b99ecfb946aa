"""The 8-bit form: exact about the batch, close about the numbers."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.quantize import quantise
from export.rowwise import Recipe, find_sites, quantise_sites
from features.rows import Feed

WIDTH, OUT = 64, 48
INPUTS = ("input_ids", "attention_mask")


def _model(seed: int = 0) -> onnx.ModelProto:
    """Ids -> a table row -> one product [WIDTH, OUT] -> masked sum; one table channel is forty times the others."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(50, WIDTH)).astype(np.float32)
    table[:, 3] *= 40.0
    weight = rng.normal(size=(WIDTH, OUT)).astype(np.float32)
    constants = {"table": table, "weight": weight, "last": np.array([-1]), "tokens_axis": np.array([1])}
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["x"]),
        helper.make_node("MatMul", ["x", "weight"], ["y"], name="product"),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"]),
        helper.make_node("Mul", ["y", "mask3"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "tokens_axis"], ["embedding"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes, "one product",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in INPUTS],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", OUT])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _run(model: onnx.ModelProto, ids: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids) if mask is None else mask}
    return np.asarray(session.run(None, feed)[0])


def _quantised(model: onnx.ModelProto, recipe: Recipe, bits: int = 8) -> onnx.ModelProto:
    (site,) = find_sites(model)
    return quantise_sites(model, {site.activation: (site, recipe)}, bits)


@pytest.fixture(scope="module")
def pair() -> tuple[onnx.ModelProto, onnx.ModelProto]:
    model = _model()
    return model, _quantised(model, Recipe(None, 128))


@settings(max_examples=25, deadline=None)
@given(ids=st.lists(st.lists(st.integers(0, 49), min_size=5, max_size=5), min_size=1, max_size=9))
def test_a_row_is_the_same_bits_alone_and_in_any_batch(ids: list[list[int]]) -> None:
    model = _quantised(_model(), Recipe(None, 128))
    batch = np.array(ids)
    together = _run(model, batch)
    for at, row in enumerate(batch):
        assert np.array_equal(_run(model, row[None])[0], together[at])


@pytest.mark.parametrize("zero_point", [128, 32])
@pytest.mark.parametrize("bits", [7, 8])
def test_quantised_product_is_close_to_fp32(zero_point: int, bits: int) -> None:
    model = _model()
    ids = np.arange(50)[None]
    exact, coarse = _run(model, ids), _run(_quantised(model, Recipe(None, zero_point), bits), ids)
    assert not np.array_equal(exact, coarse)
    assert np.linalg.norm(exact - coarse) / np.linalg.norm(exact) < 0.1


def test_smoothing_an_outlier_channel_lowers_the_error(pair: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    model, plain = pair
    factors = np.ones(WIDTH, dtype=np.float32)
    factors[3] = 1 / 10
    ids = np.arange(50)[:, None]
    exact = _run(model, ids)
    errors = [np.linalg.norm(_run(form, ids) - exact) for form in (plain, _quantised(model, Recipe(factors, 128)))]
    assert errors[1] < 0.6 * errors[0]


def test_padding_and_zero_rows_give_finite_values() -> None:
    model = _model()
    table = next(tensor for tensor in model.graph.initializer if tensor.name == "table")
    table.CopyFrom(numpy_helper.from_array(np.zeros((50, WIDTH), dtype=np.float32), "table"))
    vectors = _run(_quantised(model, Recipe(None, 128)), np.zeros((2, 3), dtype=np.int64))
    assert np.array_equal(vectors, np.zeros((2, OUT)))


def test_weights_become_int8_and_the_fp32_ones_leave_the_file(pair: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    _, quantised = pair
    types = {tensor.name: tensor.data_type for tensor in quantised.graph.initializer}
    assert "weight" not in types
    assert types["y/weight"] == TensorProto.INT8


def test_choice_prefers_smoothing_where_a_channel_stands_out(tmp_path: Path) -> None:
    onnx.save(_model(), tmp_path / "fp32.onnx")
    ids = np.arange(48).reshape(6, 8)
    choices = quantise(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", [_feed(ids)])
    assert [choice.role for choice in choices] == [(WIDTH, OUT)]
    assert choices[0].smoothing > 0.0


def test_a_graph_without_products_is_refused(tmp_path: Path) -> None:
    model = _model()
    narrow = next(tensor for tensor in model.graph.initializer if tensor.name == "weight")
    narrow.CopyFrom(numpy_helper.from_array(np.ones((WIDTH, 8), dtype=np.float32), "weight"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 8
    onnx.save(model, tmp_path / "fp32.onnx")
    ids = np.ones((1, 4), dtype=np.int64)
    with pytest.raises(ValueError, match="no product"):
        quantise(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", [_feed(ids)])


def _feed(ids: NDArray[np.int64]) -> Feed:
    return Feed({"input_ids": ids, "attention_mask": np.ones_like(ids)}, len(ids), ids.size, ids.size)
