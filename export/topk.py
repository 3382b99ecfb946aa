"""The graph that searches a catalogue exactly: scores of all items, exclusions, the best of each row.

The items are an input, not weights: the catalogue's vectors lie in the bundle once, and serving binds them once. They
come by columns, [dimensions, items], because a single query times that is one pass over memory without any transposing:
2.5 times as fast as row by row for one query, and no slower for many (`python -m loadtests.search_bench`).
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bundle.index_files import DEPTH, EXACT_FILE, EXCLUDED, FOUND, ITEMS, QUERIES

_OPSET = 18
_IR_VERSION = 9


def write_topk(root: Path, dimensions: int) -> str:
    """Write the graph into the bundle's folder and return its path there.

    It takes float32 queries [rows, dimensions] and items [dimensions, items], int64 excluded [pairs, 2] of (row,
    position), and int64 depth [1]. It gives float32 [rows, 2, min(depth, items)]: positions, then scores, best first;
    of equal scores the lower position comes first. Where all that is left is excluded the position is -1, the score 0.
    """
    path = root / EXACT_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(
        _graph(dimensions), opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return EXACT_FILE


def _graph(dimensions: int) -> onnx.GraphProto:
    float32, int64 = TensorProto.FLOAT, TensorProto.INT64
    inputs = [
        helper.make_tensor_value_info(QUERIES, float32, ["rows", dimensions]),
        helper.make_tensor_value_info(ITEMS, float32, [dimensions, "items"]),
        helper.make_tensor_value_info(EXCLUDED, int64, ["pairs", 2]),
        helper.make_tensor_value_info(DEPTH, int64, [1]),
    ]
    output = helper.make_tensor_value_info(FOUND, float32, ["rows", 2, "found"])
    return helper.make_graph([*_scoring(), *_choosing(), *_answering()], "topk", inputs, [output], _constants())


def _constants() -> list[onnx.TensorProto]:
    values: dict[str, NDArray[Any]] = {
        "minus_infinity": np.array(-np.inf, dtype=np.float32),
        "zero": np.array(0, dtype=np.float32),
        "minus_one": np.array(-1, dtype=np.float32),
        "axis_1": np.array([1], dtype=np.int64),
    }
    return [numpy_helper.from_array(value, name) for name, value in values.items()]


def _scoring() -> list[onnx.NodeProto]:
    """Score all items; those excluded get minus infinity. Pairs make long and short exclusions cost what they are."""
    return [
        helper.make_node("MatMul", [QUERIES, ITEMS], ["scores"]),  # [rows, items]
        helper.make_node("Shape", [EXCLUDED], ["pairs"], start=0, end=1),
        helper.make_node("Expand", ["minus_infinity", "pairs"], ["struck"]),  # [pairs]
        helper.make_node("ScatterND", ["scores", EXCLUDED, "struck"], ["allowed"]),  # [rows, items]
    ]


def _choosing() -> list[onnx.NodeProto]:
    return [
        helper.make_node("Shape", [ITEMS], ["items_there_are"], start=1, end=2),
        helper.make_node("Min", [DEPTH, "items_there_are"], ["found_depth"]),  # [1]
        helper.make_node("TopK", ["allowed", "found_depth"], ["best", "at"], axis=1),  # [rows, found]
    ]


def _answering() -> list[onnx.NodeProto]:
    """Lay positions over scores. Only minus infinity means excluded: NaN stays, so that the scheduler sees it."""
    return [
        helper.make_node("Equal", ["best", "minus_infinity"], ["gone"]),
        helper.make_node("Cast", ["at"], ["at_float"], to=TensorProto.FLOAT),
        helper.make_node("Where", ["gone", "minus_one", "at_float"], ["positions"]),
        helper.make_node("Where", ["gone", "zero", "best"], ["kept"]),
        helper.make_node("Unsqueeze", ["positions", "axis_1"], ["positions_3"]),  # [rows, 1, found]
        helper.make_node("Unsqueeze", ["kept", "axis_1"], ["kept_3"]),
        helper.make_node("Concat", ["positions_3", "kept_3"], [FOUND], axis=1),  # [rows, 2, found]
    ]
