"""The two towers: how ids, what is known beside them, and augmented vectors become one vector."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.fields import FieldBag

Fusion = Literal["sum", "mlp", "gated"]
"""sum: id and content are added; mlp: and layers over both are added to that; gated: a gate weighs one against the
other, unit by unit."""

SPREAD = 0.1
"""Expected length of the rows that tables start with."""


class Head(nn.Module):
    """The top of a tower: identity, content and the augmented vector, side by side, to one vector.

    All that is learnt here beside the sum starts at zero, so that a deep tower starts as the linear one.

    Args:
        width: Length of everything that comes in, and of what goes out.
        fusion: How identity and content meet.
        augmented: Whether there is an augmented vector.
        hidden: Units of each hidden layer, for mlp and gated.
        dropout: Share of hidden units that is dropped in training.
        normalised: Whether what goes out has unit length.
    """

    def __init__(
        self, width: int, fusion: Fusion, *, augmented: bool, hidden: Sequence[int], dropout: float, normalised: bool
    ) -> None:
        super().__init__()
        self.fusion = fusion
        self.normalised = normalised
        self.project = nn.Linear(width, width, bias=False) if augmented else None
        self.layers = _layers(width * (3 if augmented else 2), hidden, width, dropout) if fusion != "sum" else None
        if self.project is not None:
            nn.init.zeros_(self.project.weight)

    def forward(self, identity: Tensor, content: Tensor, augmented: Tensor | None) -> Tensor:
        """Return float32 [batch, width] of three [batch, width]."""
        parts = [identity, content] if augmented is None else [identity, content, augmented]
        vector = identity + content  # [batch, width]
        if self.layers is not None:
            found = self.layers(torch.cat(parts, dim=1))  # [batch, width]
            gate = torch.sigmoid(found)
            vector = vector + found if self.fusion == "mlp" else 2 * (gate * identity + (1 - gate) * content)
        if self.project is not None and augmented is not None:
            vector = vector + self.project(augmented)
        return functional.normalize(vector, dim=1) if self.normalised else vector


class Content(nn.Module):
    """What is known beside the id: a bag for each field, its sum over the root of its size. Without fields: zero."""

    def __init__(self, rows: Mapping[str, int], width: int, *, sparse: bool) -> None:
        super().__init__()
        self.names = tuple(rows)
        spread = SPREAD / width**0.5
        self.bags = nn.ModuleDict(
            {name: FieldBag(count, width, pooling="root", spread=spread, sparse=sparse) for name, count in rows.items()}
        )
        self.width = width

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return the sum over fields, float32 [batch, width], of ids int64 [batch, length] by field."""
        if not self.names:
            first = next(iter(features.values()))  # [batch, length]
            return torch.zeros(first.shape[0], self.width, device=first.device)
        return torch.stack([self.bags[name](features[name]) for name in self.names]).sum(dim=0)  # [batch, width]


class Encoder(nn.Module):
    """A whole tower as it is exported: the features of a record, in the order of `names`, to a vector.

    Args:
        names: Inputs, in order.
        own: The one among them that is the id.
        identity: Table of ids; None: who it is is told by the augmented vector alone, or not at all.
        content: What reads the other inputs.
        augmented: Table of augmented vectors by id; None: the tower has none.
        head: The top.
        last: Table of a further, last dimension by id; None: it is 1.
    """

    def __init__(
        self,
        names: Sequence[str],
        own: str,
        identity: FieldBag | None,
        content: nn.Module,
        augmented: FieldBag | None,
        head: Head,
        last: FieldBag | None,
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.own = own
        self.identity = identity
        self.content = content
        self.augmented = augmented
        self.head = head
        self.last = last

    def forward(self, *features: Tensor) -> Tensor:
        """Return vectors, float32 [batch, width + 1], of ids int64 [batch, length] by input."""
        given = dict(zip(self.names, features, strict=True))
        content = self.content(given)  # [batch, width]
        identity = self.identity(given[self.own]) if self.identity is not None else torch.zeros_like(content)
        augmented = self.augmented(given[self.own]) if self.augmented is not None else None
        vector = self.head(identity, content, augmented)  # [batch, width]
        last = self.last(given[self.own]) if self.last is not None else torch.ones_like(vector[:, :1])
        return torch.cat([vector, last], dim=1)


def id_table(rows: int, unknown: int, width: int, *, sparse: bool) -> FieldBag:
    """Return a table of ids whose padding and `unknown` rows are zero and stay so: nothing in training leads there."""
    bag = FieldBag(rows, width, spread=SPREAD / width**0.5, sparse=sparse)
    with torch.no_grad():
        bag.weight[: unknown + 1].zero_()
    return bag


def _layers(inputs: int, hidden: Sequence[int], outputs: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = [nn.LayerNorm(inputs)]
    for units in hidden:
        layers += [nn.Linear(inputs, units), nn.GELU(), nn.Dropout(dropout)]
        inputs = units
    last = nn.Linear(inputs, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
