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
SPREAD = 0.6
"""Expected length of the rows that tables start with."""


class WorkEncoder(nn.Module):
    """After AO3 Disco: a bag of rows of norm 1 at most for each field, all projected to one width, their dot products.

    An affine map of these is what the vector starts as; hidden layers beside it start at zero. Without them and without
    interactions the encoder stays an affine map of numbers and bags: the linear ablation.

    Args:
        rows: Rows of each field's table, by name, in the order of the graph's inputs.
        width: Length of the tables' rows, of projections and of the vector.
        counts: What each row of a table counts in its bag, float32 [rows], by name; fields without: all rows alike.
        dense: How many numbers there are; 0: none are read.
        interactions: Whether the dot products of all pairs of projections are read too.
        hidden: Units of each hidden layer; empty: there are none.
        dropout: Share of hidden units that is dropped in training.
    """

    def __init__(
        self,
        rows: Mapping[str, int],
        width: int = 128,
        *,
        counts: Mapping[str, Tensor] | None = None,
        dense: int = 0,
        interactions: bool = True,
        hidden: Sequence[int] = (256,),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.names = (*rows, *((DENSE,) if dense else ()))
        spread, counted = SPREAD / math.sqrt(width), counts or {}
        self.bags = nn.ModuleDict(
            {
                name: FieldBag(size, width, pooling="root", max_norm=1.0, spread=spread, counts=counted.get(name))
                for name, size in rows.items()
            }
        )
        self.projections = nn.ModuleDict({name: nn.Linear(width, width) for name in rows})
        if dense:
            self.projections[DENSE] = nn.Linear(dense, width)
        self.interactions = interactions and len(self.names) > 1
        self.pairs = list(combinations(range(len(self.names)), 2))
        inputs = len(self.names) * width + (len(self.pairs) if self.interactions else 0)
        self.straight = nn.Linear(inputs, width)
        self.layers = _layers(inputs, hidden, width, dropout) if hidden else None

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
            read = torch.cat([read, dots], dim=1)
        vector = self.straight(read)  # [batch, width]
        if self.layers is not None:
            vector = vector + self.layers(read)
        return functional.normalize(vector, dim=1)

    def bake(self) -> None:
        """Bound all rows for good, for export: look-ups are then plain."""
        for bag in self.bags.values():
            assert isinstance(bag, FieldBag)
            bag.bake()

    def _read(self, name: str, feature: Tensor) -> Tensor:
        read: Tensor = feature if name == DENSE else self.bags[name](feature)
        return read


def _layers(inputs: int, hidden: Sequence[int], width: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for units in hidden:
        layers += [nn.Linear(inputs, units), nn.GELU(), nn.Dropout(dropout)]
        inputs = units
    last = nn.Linear(inputs, width)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
