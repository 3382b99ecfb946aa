"""What graphs compute on: the arrays of one input, and the padded feed that a micro-batch of inputs becomes.

Whoever batches rows knows only how long they are; what is in them concerns the features that made them and the graph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRow:
    """One input, encoded."""

    arrays: Mapping[str, Array]
    """One-dimensional arrays by name, of any lengths."""
    tokens: int
    """What the row weighs in a micro-batch: the length that decides its computing time."""
    truncated: bool = False
    """Whether the input was longer than the model reads."""

    def __len__(self) -> int:
        return self.tokens


@dataclass(frozen=True)
class Feed:
    """A padded micro-batch: what a graph takes."""

    inputs: dict[str, Array]
    """By name of the graph's input, each [rows, length]."""
    rows: int
    tokens: int
    """Tokens that are not padding."""
    padded_tokens: int
    """Tokens with padding: rows x the longest row."""


class Features(Protocol):
    """From texts to rows to feeds, exactly alike at training, export and serving."""

    def encode(self, texts: Sequence[str]) -> list[FeatureRow]:
        """Encode texts, in order."""

    def collate(self, rows: Sequence[FeatureRow], multiple: int = 1) -> Feed:
        """Lay rows side by side, padded to the longest, rounded up to `multiple`."""


def pad(arrays: Sequence[Array], fill: int | float, multiple: int = 1) -> tuple[Array, NDArray[np.bool_]]:
    """Pad one-dimensional arrays on the right to the longest, rounded up to `multiple`.

    Returns the padded array and the mask that is true where there is a value, both [rows, length].
    """
    lengths = np.fromiter(map(len, arrays), dtype=np.int64, count=len(arrays))  # [rows]
    width = -(-int(lengths.max()) // multiple) * multiple
    mask = np.arange(width) < lengths[:, None]  # [rows, length]
    padded = np.full((len(arrays), width), fill, dtype=arrays[0].dtype)
    padded[mask] = np.concatenate(arrays)
    return padded, mask
