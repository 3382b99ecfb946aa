"""Embedding tables in eight bits."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.tables import LEAST_ROWS, quantise_tables

WIDTH = 8
Table = NDArray[np.float32]  # [rows, WIDTH]


def write(path: Path, table: Table, small: Table | None = None) -> Path:
    """Write a graph that looks `ids` up in the table, twice, and in a second table."""
    tables = {"table": table, "small": table[:5] if small is None else small}
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["one"]),
        helper.make_node("Gather", ["small", "few"], ["two"]),
        helper.make_node("Gather", ["table", "few"], ["three"]),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", name]) for name in ("ids", "few")]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", length, WIDTH])
        for name, length in (("one", "ids"), ("two", "few"), ("three", "few"))
    ]
    weights = [numpy_helper.from_array(array, name) for name, array in tables.items()]
    graph = helper.make_graph(nodes, "tables", inputs, outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def look_up(path: Path, ids: list[int], few: list[int]) -> list[Table]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: list[Table] = session.run(None, {"ids": np.array([ids]), "few": np.array([few])})
    return [rows[0] for rows in found]


@pytest.fixture(scope="module")
def table() -> Table:
    spread = np.geomspace(1e-4, 1e3, LEAST_ROWS)[:, None]
    rows: Table = (np.random.default_rng(0).normal(size=(LEAST_ROWS, WIDTH)) * spread).astype(np.float32)
    rows[7] = 0
    return rows


@pytest.fixture(scope="module")
def pair(table: Table, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tables")
    target = folder / "int8.onnx"
    assert quantise_tables(write(folder / "fp32.onnx", table), target) == 1
    onnx.checker.check_model(str(target))
    return folder / "fp32.onnx", target


def test_every_row_is_within_half_a_step_of_its_own(pair: tuple[Path, Path], table: Table) -> None:
    found = look_up(pair[1], list(range(LEAST_ROWS)), [0])[0]
    step = np.abs(table).max(axis=1, keepdims=True) / 127
    assert (np.abs(found - table) <= step * 0.5001 + 1e-12).all()
    assert not found[7].any()
    assert (found != table).any()


def test_both_look_ups_in_a_table_give_the_same_and_small_tables_stay(pair: tuple[Path, Path], table: Table) -> None:
    one, two, three = look_up(pair[1], [4, 0], [4, 0])
    np.testing.assert_array_equal(one, three)
    np.testing.assert_array_equal(two, table[[4, 0]])


def test_the_file_is_smaller_and_the_floats_are_gone(pair: tuple[Path, Path]) -> None:
    names = {tensor.name for tensor in onnx.load(pair[1]).graph.initializer}
    assert "table" not in names
    assert "small" in names
    # One byte a value and four a row, whose 8 values took 32.
    assert pair[1].stat().st_size < 0.4 * pair[0].stat().st_size


@settings(max_examples=10, deadline=None)
@given(row=st.integers(0, LEAST_ROWS - 1), scale=st.floats(1e-3, 1e3))
def test_a_row_does_not_depend_on_the_others(
    pair: tuple[Path, Path], table: Table, tmp_path_factory: pytest.TempPathFactory, row: int, scale: float
) -> None:
    folder = tmp_path_factory.mktemp("other")
    others = (table * np.float32(scale)).astype(np.float32)
    others[row] = table[row]
    quantise_tables(write(folder / "fp32.onnx", others), folder / "int8.onnx")
    found, expected = (look_up(path, [row], [0])[0] for path in (folder / "int8.onnx", pair[1]))
    np.testing.assert_array_equal(found, expected)


def test_a_graph_without_large_tables_stays_as_it_is(tmp_path: Path) -> None:
    rows = np.ones((LEAST_ROWS - 1, WIDTH), np.float32)
    assert quantise_tables(write(tmp_path / "fp32.onnx", rows), tmp_path / "int8.onnx") == 0
    np.testing.assert_array_equal(look_up(tmp_path / "int8.onnx", [3], [1])[0], rows[[3]])
