"""What a frozen transformer gives for every text, computed once and kept on disk for all runs that share it."""

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from features.rows import FeatureRow
from features.text import IDS, MASK, TextTokenizer
from models.backbone import Backbone

BATCH_ROWS = 32
PARTS = ("tokens.npy", "pooled.npy")
LAYOUT = 1
"""Raised when the backbone reads something else, so that what lies in caches is computed anew."""


@dataclass(frozen=True)
class Readings:
    """Readings of many texts, memory-mapped."""

    pooled: NDArray[np.float32]  # [rows, pooled]
    tokens: NDArray[np.float16] | None  # [tokens of all rows, hidden]
    offsets: NDArray[np.int64]  # [rows + 1], where each row's tokens begin

    def lengths(self) -> NDArray[np.int64]:
        """Return the tokens of each row, [rows]."""
        return np.diff(self.offsets)

    def batch(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return `pooled` float32 [batch, pooled] and, where kept, `tokens` [batch, tokens, hidden] and `mask`."""
        inputs = {"pooled": torch.from_numpy(self.pooled[rows])}
        if self.tokens is None:
            return inputs
        lengths = self.lengths()[rows]
        tokens = np.zeros((len(rows), int(lengths.max()), self.tokens.shape[1]), np.float16)
        for at, row in enumerate(rows):
            tokens[at, : lengths[at]] = self.tokens[self.offsets[row] : self.offsets[row + 1]]
        mask = np.arange(tokens.shape[1]) < lengths[:, None]  # [batch, tokens]
        return {**inputs, "tokens": torch.from_numpy(tokens), "mask": torch.from_numpy(mask.astype(np.int64))}


def read_all(
    backbone: Backbone,
    tokenizer: TextTokenizer,
    rows: Sequence[FeatureRow],
    folder: Path,
    with_tokens: bool,
    tick: Callable[[float], None] = lambda share: None,
) -> Readings:
    """Read encoded texts with the backbone, or take what an earlier run has left in `folder`.

    The folder appears under its name only when it is complete. Token vectors are kept in half precision.
    """
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    if not folder.is_dir():
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        _write(backbone, tokenizer, rows, offsets, draft, with_tokens, tick)
        try:
            draft.rename(folder)
        except OSError:  # another process has read the same texts meanwhile
            if not folder.is_dir():
                raise
            shutil.rmtree(draft)
    tokens = np.load(folder / PARTS[0], mmap_mode="r", allow_pickle=False) if with_tokens else None
    return Readings(np.load(folder / PARTS[1], allow_pickle=False), tokens, offsets)


def key_of(rows: Sequence[FeatureRow], *more: object) -> str:
    """Return a name for readings: a digest of the token ids and of whatever else decides them."""
    digest = hashlib.sha256(repr((LAYOUT, *more)).encode())
    for row in rows:
        digest.update(len(row).to_bytes(4, "little") + row.arrays[IDS].tobytes())
    return digest.hexdigest()[:24]


def _write(
    backbone: Backbone,
    tokenizer: TextTokenizer,
    rows: Sequence[FeatureRow],
    offsets: NDArray[np.int64],
    folder: Path,
    with_tokens: bool,
    tick: Callable[[float], None],
) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    backbone = backbone.to(device).eval()
    open_memmap = np.lib.format.open_memmap
    pooled = open_memmap(folder / PARTS[1], "w+", np.float32, (len(rows), backbone.pooled))
    tokens = (
        open_memmap(folder / PARTS[0], "w+", np.float16, (int(offsets[-1]), backbone.hidden)) if with_tokens else None
    )
    order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
    for start in range(0, len(order), BATCH_ROWS):
        places = order[start : start + BATCH_ROWS]
        feed = tokenizer.collate([rows[at] for at in places])
        with torch.inference_mode():
            reading = backbone(*(torch.from_numpy(feed.inputs[name]).to(device) for name in (IDS, MASK)))
        pooled[places] = reading.pooled.cpu().numpy()
        if tokens is not None:
            for at, vectors in zip(places, reading.tokens.half().cpu().numpy(), strict=True):
                tokens[offsets[at] : offsets[at + 1]] = vectors[: len(rows[at])]
        tick((start + len(places)) / len(order))
    backbone.cpu()
    pooled.flush()
    if tokens is not None:
        tokens.flush()
