"""PyTorch -> fp32 ONNX, by two exporters: the whole encoder with dynamic batch and sequence axes."""

import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from optimum.exporters.onnx.base import OnnxConfig
from optimum.exporters.onnx.convert import export_pytorch
from optimum.utils import DummyTextInputGenerator, NormalizedTextConfig
from torch import Tensor, nn

from models.text import SentenceEncoder

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "embedding"
OPSET = 18

Exporter = Callable[[SentenceEncoder, Path], None]


class SentenceEncoderOnnxConfig(OnnxConfig):  # type: ignore[misc]
    """Tells optimum what goes in and what comes out: ids and mask, one vector per text."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator,)

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        """Names and dynamic axes of the inputs, int64 [batch, tokens]."""
        return {name: {0: "batch", 1: "tokens"} for name in INPUTS}

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        """Name and dynamic axis of the output, float32 [batch, dimensions]."""
        return {OUTPUT: {0: "batch"}}


def export_with_optimum(encoder: SentenceEncoder, path: Path) -> None:
    """Write the encoder to `path` by optimum, which traces it with TorchScript and patches attention masks."""
    with quiet():
        export_pytorch(encoder, SentenceEncoderOnnxConfig(encoder.config), OPSET, path)
    check_graph(path)


def export_with_dynamo(encoder: SentenceEncoder, path: Path) -> None:
    """Write the encoder to `path` by `torch.export`, torch's newer exporter."""
    example = torch.ones(2, 8, dtype=torch.int64)  # [batch, tokens]
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with quiet():
        torch.onnx.export(
            encoder, (example, example.clone()), path, dynamo=True, opset_version=OPSET, external_data=False,
            input_names=list(INPUTS), output_names=[_UNUSED], dynamic_shapes=(axes, axes), verbose=False,
        )  # fmt: skip
    # This exporter names values after operators, and every table look-up is an `embedding`.
    model = onnx.load(path)
    _rename(model.graph, {OUTPUT: f"inner_{OUTPUT}", _UNUSED: OUTPUT})
    onnx.save(model, path)
    check_graph(path)


def export_named(
    module: nn.Module, examples: Mapping[str, Tensor], path: Path, output: str, fixed: Collection[str] = ()
) -> None:
    """Write a module in evaluation mode that takes its inputs one after the other (`forward(self, *features)`).

    Args:
        module: What to write; its outputs are float32 [batch, outputs].
        examples: An input [2, length] of each name, in the order of the module's arguments; lengths should differ where
            they have nothing to do with each other, or the exporter takes one axis for the other.
        path: The file to write.
        output: Name of the graph's output.
        fixed: Inputs whose length is the module's; both axes of all others are dynamic.
    """
    free, rows = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}, {0: torch.export.Dim.DYNAMIC}
    axes = tuple(rows if name in fixed else free for name in examples)
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            module, tuple(examples.values()), dynamo=True, opset_version=OPSET, input_names=list(examples),
            output_names=[output], dynamic_shapes={"features": axes}, verbose=False,
        )  # fmt: skip
    assert program is not None
    program.save(path, external_data=False)
    onnx.checker.check_model(str(path))


EXPORTERS: dict[str, Exporter] = {"optimum": export_with_optimum, "dynamo": export_with_dynamo}
"""In the order in which they are tried: fusion knows the patterns of the first one better."""


def check_graph(path: Path) -> None:
    """Check that the file is valid ONNX with the inputs and output that serving expects.

    Raises:
        ValueError: another signature, or axes that are not dynamic.
    """
    onnx.checker.check_model(str(path))
    graph = onnx.load(str(path), load_external_data=False).graph
    inputs = {value.name: value.type.tensor_type for value in graph.input}
    outputs = [value.name for value in graph.output]
    if tuple(inputs) != INPUTS or outputs != [OUTPUT]:
        raise ValueError(f"the graph takes {list(inputs)} and gives {outputs}, not {list(INPUTS)} and {OUTPUT!r}")
    fixed = [name for name, tensor in inputs.items() if any(axis.HasField("dim_value") for axis in tensor.shape.dim)]
    if fixed:
        raise ValueError(f"axes of {fixed} are not dynamic")


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in [*graph.output, *graph.value_info]:
        value.name = names.get(value.name, value.name)


_UNUSED = "jubako_output"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep tracer warnings and exporter chatter off the progress display; failures still raise."""
    loggers = [logging.getLogger(name) for name in ("optimum", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
