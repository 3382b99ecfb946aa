"""The encoder of works: numbers and sparse fields -> projections -> how they meet -> one vector of unit length."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.fields import FieldBag

DENSE = "dense"
"""Name of the input that holds numbers; all others are bags of ids."""


class WorkEncoder(nn.Module):
    """After AO3 Disco: a bag of rows of norm 1 at most for each field, all projected to one width, their dot products.

    With `hidden` empty and without interactions the encoder is an affine map of numbers and bags: the linear ablation.

    Args:
        rows: Rows of each field's table, by name, in the order of the graph's inputs.
        widths: Length of a row of each field's table.
        dense: How many numbers there are; 0: none are read.
        width: Length of projections and of the vector.
        interactions: Whether the head reads the dot products of all pairs of projections too.
        hidden: Units of each hidden layer of the head.
        dropout: Share of units that is dropped in training.
    """

    def __init__(
        self,
        rows: Mapping[str, int],
        widths: Mapping[str, int],
        *,
        dense: int = 0,
        width: int = 128,
        interactions: bool = True,
        hidden: Sequence[int] = (256,),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.names = (*rows, *((DENSE,) if dense else ()))
        self.bags = nn.ModuleDict({name: FieldBag(count, widths[name], max_norm=1.0) for name, count in rows.items()})
        self.projections = nn.ModuleDict({name: nn.Linear(widths[name], width) for name in rows})
        if dense:
            self.projections[DENSE] = nn.Linear(dense, width)
        self.interactions = interactions
        self.pairs = list(combinations(range(len(self.names)), 2))
        inputs = len(self.names) * width + (len(self.pairs) if interactions else 0)
        layers: list[nn.Module] = []
        for units in hidden:
            layers += [nn.Linear(inputs, units), nn.GELU(), nn.Dropout(dropout)]
            inputs = units
        self.head = nn.Sequential(*layers, nn.Linear(inputs, width))

    def forward(self, *features: Tensor) -> Tensor:
        """Return unit vectors, float32 [batch, width].

        Args:
            features: In the order of `names`: ids int64 [batch, length], 0 where there is none; numbers float32
                [batch, dense].
        """
        inputs = zip(self.names, features, strict=True)
        projected = [self.projections[name](self._read(name, feature)) for name, feature in inputs]  # [batch, width]
        read = torch.cat(projected, dim=1)  # [batch, fields x width]
        if self.interactions:
            left, right = zip(*self.pairs, strict=True)
            stacked = torch.stack(projected, dim=1)  # [batch, fields, width]
            dots = (stacked[:, left] * stacked[:, right]).sum(dim=2)  # [batch, pairs]
            read = torch.cat([read, dots / math.sqrt(stacked.shape[2])], dim=1)
        return functional.normalize(self.head(read), dim=1)  # [batch, width]

    def bake(self) -> None:
        """Bound all rows for good, for export: look-ups are then plain."""
        for bag in self.bags.values():
            assert isinstance(bag, FieldBag)
            bag.bake()

    def _read(self, name: str, feature: Tensor) -> Tensor:
        read: Tensor = feature if name == DENSE else self.bags[name](feature)
        return read


def hidden_width(cardinality: int) -> int:
    """Return the length of a row for a field of so many values: 1.6 times the square root, 16 at least."""
    return max(16, int(1.6 * math.sqrt(cardinality)))
