"""A trained classifier -> fp32 ONNX: from the pipeline's features to scores."""

from pathlib import Path

import torch

from export.onnx_graph import export_named
from features.ngrams import IDS as NGRAM_IDS
from features.ngrams import WEIGHTS
from features.text import IDS, MASK
from models.classifier import Scorer

OUTPUT = "scores"
AXES = {IDS: "tokens", MASK: "tokens", NGRAM_IDS: "ngrams", WEIGHTS: "ngrams"}
"""What the second axis of each input counts."""


def export_scorer(scorer: Scorer, path: Path) -> None:
    """Write a classifier in evaluation mode to `path`, with dynamic axes."""
    export_named(scorer, {name: _example(name) for name in scorer.names}, path, OUTPUT)


def _example(name: str) -> torch.Tensor:
    """Return an input [2, length]; lengths differ by kind, so that the exporter does not take one for the other."""
    length = 8 if AXES[name] == "tokens" else 12
    return torch.ones(2, length, dtype=torch.float32 if name == WEIGHTS else torch.int64)
