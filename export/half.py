"""The fp16 pass for CUDA: half-precision weights and products, single precision where sums are long, float32 out."""

from collections import Counter
from pathlib import Path

import onnx
from onnx import TensorProto
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

ISLANDS = [
    "Clip", "CumSum", "Div", "Expand", "LpNormalization", "Pow", "ReduceL2", "ReduceMax", "ReduceSum", "Sqrt",
]  # fmt: skip
"""Operators of pooling and normalisation: long sums and divisions by small norms lose digits in fp16."""

MIN_HALF_SHARE = 0.95
"""Share of the floating-point weights that has to end up in fp16, or the pass has done nothing."""


def to_half(source: Path, target: Path) -> dict[str, int]:
    """Convert an fp32 graph and return the number of weight elements of each floating-point type.

    Raises:
        ValueError: too few weights became fp16, or the output is not float32.
    """
    model: onnx.ModelProto = convert_float_to_float16(
        onnx.load(source), keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *ISLANDS]
    )
    _join_islands(model.graph)
    counts = weight_types(model)
    half = counts["float16"] / max(1, counts.total())
    if half < MIN_HALF_SHARE:
        raise ValueError(f"only {half:.0%} of the weights became fp16: {dict(counts)}")
    output = model.graph.output[0].type.tensor_type.elem_type
    if output != TensorProto.FLOAT:
        raise ValueError(f"the output became {TensorProto.DataType.Name(output)}, expected FLOAT")
    onnx.save(model, target)
    return dict(counts)


def _join_islands(graph: onnx.GraphProto) -> None:
    """Let neighbouring fp32 nodes pass fp32 to each other.

    The converter puts a cast to fp16 after each of them and one back to fp32 before the next, and where two of them
    share an input it writes the same cast twice.
    """
    # Only the converter's own casts start from fp32: the graph's cast of the mask starts from int64.
    origin = {node.output[0]: node.input[0] for node in graph.node if node.name.endswith("_cast_to_fp16_node")}
    written: set[str] = set()
    renamed: dict[str, str] = {}
    nodes = []
    for node in graph.node:
        if _casts_to(node, TensorProto.FLOAT) and node.output[0] not in {value.name for value in graph.output}:
            if node.input[0] in origin:
                renamed[node.output[0]] = origin[node.input[0]]
                continue
            if node.output[0] in written:
                continue
        written.update(node.output)
        nodes.append(node)
    for node in nodes:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    used = {name for node in nodes for name in node.input} | {value.name for value in graph.output}
    del graph.node[:]
    graph.node.extend(node for node in nodes if used.intersection(node.output))


def _casts_to(node: onnx.NodeProto, kind: int) -> bool:
    return node.op_type == "Cast" and any(entry.name == "to" and entry.i == kind for entry in node.attribute)


def weight_types(model: onnx.ModelProto) -> Counter[str]:
    """Count the weight elements of each floating-point type."""
    counts: Counter[str] = Counter()
    for tensor in model.graph.initializer:
        if tensor.data_type in _NAMES:
            elements = 1
            for size in tensor.dims:
                elements *= size
            counts[_NAMES[tensor.data_type]] += elements
    return counts


_NAMES: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}
