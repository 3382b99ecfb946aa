"""A trained classifier -> fp32 ONNX: from the pipeline's features to scores."""

from pathlib import Path

import onnx
import torch

from export.onnx_graph import OPSET, quiet
from features.ngrams import IDS as NGRAM_IDS
from features.ngrams import WEIGHTS
from features.text import IDS, MASK
from models.classifier import Scorer

OUTPUT = "scores"
AXES = {IDS: "tokens", MASK: "tokens", NGRAM_IDS: "ngrams", WEIGHTS: "ngrams"}
"""What the second axis of each input counts."""


def export_scorer(scorer: Scorer, path: Path) -> None:
    """Write a classifier in evaluation mode to `path`, with dynamic axes."""
    example = tuple(_example(name) for name in scorer.names)
    axes = {name: {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC} for name in scorer.names}
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            scorer, example, dynamo=True, opset_version=OPSET, input_names=list(scorer.names), output_names=[OUTPUT],
            dynamic_shapes={"features": tuple(axes.values())}, verbose=False,
        )  # fmt: skip
    assert program is not None
    program.save(path, external_data=False)
    onnx.checker.check_model(str(path))


def _example(name: str) -> torch.Tensor:
    """Return an input [2, length]; lengths differ by kind, so that the exporter does not take one for the other."""
    length = 8 if AXES[name] == "tokens" else 12
    return torch.ones(2, length, dtype=torch.float32 if name == WEIGHTS else torch.int64)
