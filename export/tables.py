"""Embedding tables in eight bits: a scale for each row, so that no row depends on any other."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LEAST_ROWS = 4096
"""Smaller tables are left as they are: they weigh nothing."""


def quantise_tables(source: Path, target: Path) -> int:
    """Write `source` to `target` with its large look-up tables in int8; return how many there were.

    A row r becomes round(r / s) with s = max|r| / 127. Rows are looked up in int8 and scaled back after it, so that
    only what is looked up is ever made into floats.
    """
    model = onnx.load(source)
    graph = model.graph
    tables = {tensor.name: tensor for tensor in graph.initializer if _is_table(tensor)}
    found = [node for node in graph.node if node.op_type == "Gather" and node.input[0] in tables]
    for name in dict.fromkeys(node.input[0] for node in found):
        values = numpy_helper.to_array(tables[name])  # [rows, width]
        scales = np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-12) / 127  # [rows, 1]
        graph.initializer.append(numpy_helper.from_array(np.rint(values / scales).astype(np.int8), f"{name}_int8"))
        graph.initializer.append(numpy_helper.from_array(scales.astype(np.float32), f"{name}_scale"))
    for at, node in enumerate(found):
        place = list(graph.node).index(node)
        table, rows, wanted = node.input[0], node.input[1], node.output[0]
        stem = f"{table}_{at}"
        graph.node.remove(node)
        made = [
            helper.make_node("Gather", [f"{table}_int8", rows], [f"{stem}_rows"], axis=0),
            helper.make_node("Cast", [f"{stem}_rows"], [f"{stem}_floats"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [f"{table}_scale", rows], [f"{stem}_scales"], axis=0),
            helper.make_node("Mul", [f"{stem}_floats", f"{stem}_scales"], [wanted]),
        ]
        for offset, new in enumerate(made):
            graph.node.insert(place + offset, new)
    used = {name for node in graph.node for name in node.input}
    for name, tensor in tables.items():
        if name not in used:
            graph.initializer.remove(tensor)
    onnx.save(model, target)
    return len({node.input[0] for node in found})


def _is_table(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2 and tensor.dims[0] >= LEAST_ROWS
