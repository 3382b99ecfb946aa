"""A bag of hashed n-grams as a vector: TF-IDF weights, unit length, and the weighted sum of learnt rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from features.ngrams import IDS, WEIGHTS
from features.rows import FeatureRow

SMALLEST_NORM = 1e-6


@dataclass(frozen=True)
class BagVocabulary:
    """Which buckets have a row, and how rare each row is; fitted on training rows only."""

    place: NDArray[np.int32]
    """Row of each bucket [buckets]; 0 for buckets that were too rare to learn from."""
    idf: NDArray[np.float32]
    """Inverse document frequency of each row [rows]; 0 for row 0, so that it weighs nothing."""

    @classmethod
    def fit(cls, rows: Sequence[FeatureRow], buckets: int, least: int = 2, most: int = 0) -> "BagVocabulary":
        """Give a row to each bucket that `least` of the encoded inputs have, the `most` common ones where given."""
        found = np.concatenate([row.arrays[IDS][row.arrays[WEIGHTS] > 0] for row in rows])  # not an empty bag's filler
        documents = np.bincount(found, minlength=buckets)  # [buckets]
        kept = np.flatnonzero(documents >= least)
        if most and len(kept) > most:
            kept = np.sort(kept[np.argsort(-documents[kept], kind="stable")[:most]])
        place = np.zeros(buckets, np.int32)
        place[kept] = np.arange(1, len(kept) + 1)
        rarity = np.log((1 + len(rows)) / (1 + documents[kept])) + 1
        return cls(place, np.concatenate([[0.0], rarity]).astype(np.float32))


class NgramBag(nn.Module):
    """Weighted sums of table rows. Rows that a batch does not touch have no gradient: the table's is sparse."""

    place: Tensor
    idf: Tensor

    def __init__(self, vocabulary: BagVocabulary, width: int) -> None:
        super().__init__()
        self.register_buffer("place", torch.from_numpy(vocabulary.place))
        self.register_buffer("idf", torch.from_numpy(vocabulary.idf))
        self.table = nn.EmbeddingBag(len(vocabulary.idf), width, mode="sum", sparse=True)

    @property
    def width(self) -> int:
        """Length of the vectors."""
        return self.table.embedding_dim

    def forward(self, ids: Tensor, weights: Tensor, dropout: float = 0.0) -> Tensor:
        """Return one vector for each bag.

        Args:
            ids: buckets, int64 [batch, n-grams].
            weights: float32 [batch, n-grams]; 0 where there is no n-gram.
            dropout: share of n-grams that is left out of each bag, for training.

        Returns:
            float32 [batch, width].
        """
        rows = self.place[ids].long()  # [batch, n-grams]
        weighed = weights * self.idf[rows]  # [batch, n-grams]
        weighed = weighed / weighed.norm(dim=1, keepdim=True).clamp_min(SMALLEST_NORM)
        if dropout:
            weighed = functional.dropout(weighed, dropout)
        if torch.compiler.is_exporting():  # graphs have no bags: look up, weigh, add up
            looked_up = functional.embedding(rows, self.table.weight)  # [batch, n-grams, width]
            return (weighed.unsqueeze(1) @ looked_up).squeeze(1)  # [batch, width]
        summed: Tensor = self.table(rows, per_sample_weights=weighed)
        return summed
