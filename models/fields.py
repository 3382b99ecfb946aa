"""Bags of ids as vectors: what towers and the work encoder read of each field."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Pooling = Literal["sum", "mean", "root"]
"""How the rows of a bag are added up: as they are, over their number, or over its square root. Where rows differ in
what they count, these are the sum of the counts, and the root of the sum of their squares: weights of unit length."""

SMALLEST = 1e-12
LEAST_COUNT = 1e-6


class FieldBag(nn.Module):
    """A table of rows, one for each id, and the sum of the rows of a bag. Row 0 is no id: padding, which adds nothing.

    Args:
        rows: Rows of the table, padding included.
        width: Length of a row.
        pooling: How rows are added up; an empty bag is the zero vector in all.
        max_norm: Longest a row may be; longer ones are looked up shortened. None: any length. The table itself keeps
            what was learnt until `bake`, so that no forward pass changes weights, and a row that is never looked up is
            bounded like all others.
        spread: Standard deviation of the first values.
        dropout: Share of ids that is left out of each bag in training.
        sparse: Whether rows that a batch does not touch have no gradient; not together with `max_norm`.
        counts: What each row counts in its bag, float32 [rows], such as its rarity; None: all alike. Not learnt.
    """

    counts: Tensor | None

    def __init__(
        self,
        rows: int,
        width: int,
        *,
        pooling: Pooling = "sum",
        max_norm: float | None = None,
        spread: float = 0.1,
        dropout: float = 0.0,
        sparse: bool = False,
        counts: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.max_norm = max_norm
        self.dropout = dropout
        self.sparse = sparse
        self.weight = nn.Parameter(torch.empty(rows, width).normal_(std=spread))
        with torch.no_grad():
            self.weight[0].zero_()
        self.register_buffer("counts", None if counts is None else counts.to(torch.float32))

    @property
    def width(self) -> int:
        """Length of the vectors."""
        return self.weight.shape[1]

    @property
    def table(self) -> Tensor:
        """The rows as they are looked up, float32 [rows, width]."""
        return self.weight if self.max_norm is None else self.weight * _shortening(self.weight, self.max_norm)

    def forward(self, ids: Tensor) -> Tensor:
        """Return a vector for each bag: ids int64 [batch, length], 0 where there is none -> float32 [batch, width]."""
        counts = None if self.counts is None else self.counts[ids] * (ids > 0)  # [batch, length]
        if torch.compiler.is_exporting():  # graphs have no bags: look up, leave padding out, add up
            rows = functional.embedding(ids, self.table)  # [batch, length, width]
            weights = (ids > 0).to(rows.dtype) if counts is None else counts
            summed = (rows * weights.unsqueeze(2)).sum(dim=1)  # [batch, width]
        else:
            summed = self._summed(ids, counts)
        return summed if self.pooling == "sum" else summed / self._divisor(ids, counts)

    def _summed(self, ids: Tensor, counts: Tensor | None) -> Tensor:
        kept, factor, weights = ids, 1.0, counts
        if self.training and self.dropout:
            kept, factor = ids * (torch.rand(ids.shape) >= self.dropout).to(ids), 1 / (1 - self.dropout)
        if self.max_norm is not None:  # what rows count is shortened in place of the table, which may be large
            shortened = _shortening(self.weight, self.max_norm).squeeze(1)[kept]  # [batch, length]
            weights = shortened if counts is None else counts * shortened
        return factor * functional.embedding_bag(
            kept, self.weight, mode="sum", padding_idx=0, sparse=self.sparse, per_sample_weights=weights
        )

    def _divisor(self, ids: Tensor, counts: Tensor | None) -> Tensor:
        """Return what the sum of a bag is divided by, [batch, 1]."""
        if counts is None:
            count = (ids > 0).sum(dim=1, keepdim=True).clamp_min(1).to(self.weight.dtype)  # [batch, 1]
            return count if self.pooling == "mean" else count.sqrt()
        total = (counts if self.pooling == "mean" else counts.square()).sum(dim=1, keepdim=True)  # [batch, 1]
        bounded = total.clamp_min(LEAST_COUNT)
        return bounded if self.pooling == "mean" else bounded.sqrt()

    def bake(self) -> None:
        """Shorten all rows for good and forget the bound: the table is then a plain look-up of the same vectors."""
        with torch.no_grad():
            self.weight.copy_(self.table)
        self.max_norm = None


def _shortening(rows: Tensor, most: float) -> Tensor:
    """Return the factor that brings each row to a norm of `most` at most, [..., 1]."""
    norms = rows.norm(dim=-1, keepdim=True)  # [..., 1]
    factors: Tensor = (most / norms.clamp_min(SMALLEST)).clamp_max(1.0)
    return factors
