"""Eight-bit matrix products whose result for a row depends on that row alone.

ONNX Runtime's own dynamic quantisation takes one scale for a whole activation tensor, so a text's vector depends on its
batch-mates. Here every token gets its own scale, computed in the graph from that token's vector only:

    y = x * smoothing                              [batch, tokens, K]
    scale = max(max(y) / (255 - z), -min(y) / z)   [batch, tokens, 1]
    q = QuantizeLinear(y, scale, z)                uint8, blocked over all of K (opset 21)
    out = MatMulIntegerToFloat(q, W8, z) * scale   [batch, tokens, N]

`smoothing` moves the range of channels with outliers into the weights (SmoothQuant, arXiv:2211.10438, equation 4);
weights are int8 with a scale for each output column. uint8 by int8 is the one pairing with a fast x86 kernel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, version_converter

OPSET = 21
"""First opset whose QuantizeLinear takes one scale for each block of a row."""

MIN_WIDTH = 16
"""Narrower products cost more to quantise than they save."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Site:
    """An activation and the constant matrices it is multiplied with; it is quantised once for all of them."""

    activation: str
    weights: Mapping[str, Array]
    """Weight [K, N] by the name of the product's output."""

    @property
    def role(self) -> tuple[int, ...]:
        """K and the N of each product: alike for the same projection in every layer."""
        return next(iter(self.weights.values())).shape[0], *sorted(w.shape[1] for w in self.weights.values())

    @property
    def reach(self) -> Array:
        """Largest absolute weight that each input channel meets, [K]."""
        reach: Array = np.max([np.abs(weight).max(axis=1) for weight in self.weights.values()], axis=0)
        return reach


@dataclass(frozen=True)
class Recipe:
    """How the activation of one site is quantised."""

    smoothing: Array | None
    """Factor of each channel, [K]; None leaves the activation as it is."""
    zero_point: int
    """uint8 code of 0: 128 for activations of both signs, small for those that are nearly all positive."""


def find_sites(model: onnx.ModelProto) -> list[Site]:
    """Return the products of an activation with a constant matrix, in the order of the graph."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    found: dict[str, dict[str, Array]] = {}
    for node in model.graph.node:
        if node.op_type != "MatMul" or (weight := constants.get(node.input[1])) is None:
            continue
        if len(weight.dims) == 2 and min(weight.dims) >= MIN_WIDTH:
            found.setdefault(node.input[0], {})[node.output[0]] = numpy_helper.to_array(weight)
    return [Site(activation, weights) for activation, weights in found.items()]


def quantise_sites(model: onnx.ModelProto, recipes: Mapping[str, tuple[Site, Recipe]], bits: int) -> onnx.ModelProto:
    """Return a copy of `model` in which the products of the given activations run in eight bits.

    `bits` is the width of the weights: 7 keeps the sums of processors without VNNI (AVX2) from saturating.
    """
    writer = _Writer(bits)
    converted = version_converter.convert_version(model, OPSET)
    site_of = {output: recipes[site.activation] for site, _ in recipes.values() for output in site.weights}
    for node in converted.graph.node:
        if (entry := site_of.get(node.output[0])) is None:
            writer.nodes.append(node)
        else:
            writer.product(node, *entry)
    used = {name for node in writer.nodes for name in node.input}
    kept = [tensor for tensor in converted.graph.initializer if tensor.name in used]
    graph = helper.make_graph(
        writer.nodes, converted.graph.name, converted.graph.input, converted.graph.output,
        [*kept, *writer.constants.values()],
    )  # fmt: skip
    domains = {**{entry.domain: entry.version for entry in converted.opset_import}, "com.microsoft": 1}
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid(*item) for item in domains.items()], ir_version=10
    )


class _Writer:
    """Collects the nodes and constants of the rewritten graph."""

    def __init__(self, bits: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._top = 2 ** (bits - 1) - 1
        self._codes: dict[str, tuple[str, str]] = {}

    def product(self, node: onnx.NodeProto, site: Site, recipe: Recipe) -> None:
        """Write one product of a site in place of the MatMul `node`."""
        output = node.output[0]
        weight = site.weights[output]  # [K, N]
        if recipe.smoothing is not None:
            weight = weight / recipe.smoothing[:, None]
        column_scale = np.maximum(np.abs(weight).max(axis=0), 1e-12) / self._top  # [N]
        codes = np.rint(weight / column_scale).astype(np.int8)  # [K, N]
        q, row_scale = self._quantised(site, recipe)
        inputs = [
            q, self._constant(f"{output}/weight", codes), self._constant("row8/one", np.float32(1)),
            self._constant(f"{output}/column_scale", column_scale.astype(np.float32)),
            self._constant(f"row8/zero{recipe.zero_point}", np.uint8(recipe.zero_point)),
        ]  # fmt: skip
        sums = self._node("MatMulIntegerToFloat", inputs, f"{output}/sums", domain="com.microsoft")
        self._node("Mul", [sums, row_scale], output)

    def _quantised(self, site: Site, recipe: Recipe) -> tuple[str, str]:
        """Return the names of a site's codes [batch, tokens, K] and scales [batch, tokens, 1], writing them once."""
        x = site.activation
        if x in self._codes:
            return self._codes[x]
        y, zero = x, recipe.zero_point
        if recipe.smoothing is not None:
            y = self._node("Mul", [x, self._constant(f"{x}/smoothing", recipe.smoothing)], f"{x}/smooth")
        axes = self._constant("row8/axes", np.array([-1], dtype=np.int64))
        highest = self._node("ReduceMax", [y, axes], f"{x}/highest", keepdims=1)
        lowest = self._node("ReduceMin", [y, axes], f"{x}/lowest", keepdims=1)
        above, below = np.float32(1 / (255 - zero)), np.float32(-1 / zero)
        sides = [
            self._node("Mul", [highest, self._constant(f"row8/above{zero}", above)], f"{x}/above"),
            self._node("Mul", [lowest, self._constant(f"row8/below{zero}", below)], f"{x}/below"),
            self._constant("row8/tiny", np.float32(1e-12)),
        ]
        scale = self._node("Max", sides, f"{x}/scale")
        width = site.role[0]
        codes = self._node("QuantizeLinear", [y, scale, self._zeros(zero)], f"{x}/codes", axis=2, block_size=width)
        self._codes[x] = codes, scale
        return codes, scale

    def _zeros(self, zero: int) -> str:
        """Return the name of a tensor [batch, tokens, 1] of zero points, shared by all sites."""
        name = f"row8/zeros{zero}"
        if all(name not in node.output for node in self.nodes):
            last = self._constant("row8/axes", np.array([-1], dtype=np.int64))
            column = self._node("Unsqueeze", ["attention_mask", last], f"{name}/column")
            shape = self._node("Shape", [column], f"{name}/shape")
            self._node("Expand", [self._constant(f"row8/zero{zero}", np.uint8(zero)), shape], name)
        return name

    def _node(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        node = helper.make_node(kind, inputs, [output], name=f"{output}/{kind}", domain=domain, **attributes)
        self.nodes.append(node)
        return output

    def _constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(np.asarray(value), name))
        return name
