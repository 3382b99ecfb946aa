"""Running a graph over texts during export, tokenised exactly as serving does."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from features.text import TextTokenizer, TokenBatch, pad
from models.text import SentenceEncoder

Vectors = NDArray[np.float32]
Run = Callable[[TokenBatch], Vectors]
"""A padded batch -> float32 [rows, dimensions]."""


def run_graph(path: Path) -> Run:
    """Open an ONNX file on the CPU provider."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(batch: TokenBatch) -> Vectors:
        feed = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        return np.asarray(session.run(None, feed)[0], dtype=np.float32)

    return run


def run_module(encoder: SentenceEncoder) -> Run:
    """Run the PyTorch module, the reference that graphs are compared with."""

    def run(batch: TokenBatch) -> Vectors:
        with torch.inference_mode():
            vectors = encoder(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask))
        return np.asarray(vectors.numpy(), dtype=np.float32)

    return run


def embed(run: Run, tokenizer: TextTokenizer, texts: Sequence[str], rows: int = 16, by_length: bool = True) -> Vectors:
    """Embed texts in batches of `rows`; returns float32 [texts, dimensions] in the order of `texts`.

    `by_length` puts texts of like length together, which is fast; without it a batch mixes short and long texts,
    which is what shows whether a vector depends on its batch.
    """
    tokens = [row.ids for row in tokenizer.encode(texts)]
    order = sorted(range(len(tokens)), key=lambda at: len(tokens[at])) if by_length else list(range(len(tokens)))
    chunks = [order[start : start + rows] for start in range(0, len(order), rows)]
    vectors = [run(pad([tokens[at] for at in chunk], tokenizer.pad_id)) for chunk in chunks]
    stacked = np.concatenate(vectors)  # [texts, dimensions], in processing order
    restored = np.empty_like(stacked)
    restored[order] = stacked
    return restored
