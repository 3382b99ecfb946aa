"""Running a graph over texts during export, tokenised exactly as serving does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import nn

from features.rows import Features, Feed
from features.text import IDS, MASK
from models.text import SentenceEncoder

Vectors = NDArray[np.float32]
Run = Callable[[Feed], Vectors]
"""A padded batch -> float32 [rows, outputs]."""


def run_graph(path: Path) -> Run:
    """Open an ONNX file on the CPU provider."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(feed: Feed) -> Vectors:
        return np.asarray(session.run(None, feed.inputs)[0], dtype=np.float32)

    return run


def run_named(module: nn.Module, names: Sequence[str]) -> Run:
    """Run a PyTorch module that takes the arrays of a feed one after the other: what its graph is compared with."""

    def run(feed: Feed) -> Vectors:
        with torch.inference_mode():
            outputs = module(*(torch.from_numpy(feed.inputs[name]) for name in names))
        return np.asarray(outputs.numpy(), dtype=np.float32)

    return run


def run_module(encoder: SentenceEncoder) -> Run:
    """Run the PyTorch module, the reference that graphs are compared with."""

    def run(feed: Feed) -> Vectors:
        with torch.inference_mode():
            vectors = encoder(torch.from_numpy(feed.inputs[IDS]), torch.from_numpy(feed.inputs[MASK]))
        return np.asarray(vectors.numpy(), dtype=np.float32)

    return run


def embed(run: Run, features: Features, texts: Sequence[Any], rows: int = 16, by_length: bool = True) -> Vectors:
    """Run texts, or records, in batches of `rows`; returns float32 [texts, outputs] in the order of `texts`.

    `by_length` puts texts of like length together, which is fast; without it a batch mixes short and long texts,
    which is what shows whether a vector depends on its batch.
    """
    encoded = features.encode(texts)
    order = sorted(range(len(encoded)), key=lambda at: len(encoded[at])) if by_length else list(range(len(encoded)))
    chunks = [order[start : start + rows] for start in range(0, len(order), rows)]
    vectors = [run(features.collate([encoded[at] for at in chunk])) for chunk in chunks]
    stacked = np.concatenate(vectors)  # [texts, outputs], in processing order
    restored = np.empty_like(stacked)
    restored[order] = stacked
    return restored
