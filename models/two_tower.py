"""Two towers, one of users and one of items, whose vectors meet only in a dot product.

After Yu, Wang, Feng and Xue 2021, "A dual augmented two-tower model for online large-scale recommendation" (DAT): each
side has a table of augmented vectors by id, given to its tower with everything else, that learn to mimic the vectors
of the other side. Here the user is first of all a history: the sum of rows of the items in it, each with a weight of
its own, over the square root of their number. An item's bias, what it is worth to anybody, is the last dimension of its
vector, where every user has 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.fields import FieldBag
from models.sparse import FixedBags
from models.towers import Content, Encoder, Fusion, Head, id_table

USER, HISTORY, ITEM = "user", "history", "item"
"""Names of the inputs that hold ids: of the user, of the items in a history, of the item."""


@dataclass(frozen=True)
class Sizes:
    """Rows of the tables by input, in the order of the graphs' inputs."""

    user: Mapping[str, int]
    """Of the user's id, where it is read, of the history, which are the items' ids, and of attributes."""
    item: Mapping[str, int]
    unknown: int
    """Rows of the id tables that stand for ids never seen, after the one of padding."""


@dataclass(frozen=True)
class Shape:
    """How the towers are built."""

    width: int = 128
    fusion: Fusion = "sum"
    hidden: tuple[int, ...] = (256,)
    dropout: float = 0.0
    normalised: bool = True
    augmented: bool = True
    user_ids: bool = False
    """Whether users have a row of their own, beside their history and attributes."""
    sparse: bool = False
    """Whether the gradients of tables are sparse; the rows of a history then are of ids alone."""


class Vectors(NamedTuple):
    """What the towers give in one step."""

    users: Tensor
    """[batch, width]"""
    items: Tensor
    """[candidates, width]"""
    biases: Tensor
    """[candidates]"""
    user_augmented: Tensor | None
    """[batch, width]; None: the towers have none."""
    item_augmented: Tensor | None
    """[candidates, width]"""


class TwoTower(nn.Module):
    """Both towers in training; `user_encoder` and `item_encoder` are what is exported.

    Args:
        sizes: Rows of the tables.
        shape: How the towers are built.
        catalogue: Ids of each field of the items' content, int64 [rows of items, length] by input; row r belongs to
            the item whose id has row r.
        popularity: Interactions in training, float32 [rows of items]: popular items start with less weight in a
            history.
        damping: Power of the popularity by which they start with less.
        temperature: What scores are divided by before the softmax, at the start of training.
    """

    def __init__(
        self,
        sizes: Sizes,
        shape: Shape,
        catalogue: Mapping[str, NDArray[np.int64]],
        popularity: NDArray[np.float32],
        damping: float = 0.5,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))
        self.user_names, self.item_names = tuple(sizes.user), tuple(sizes.item)
        width, sparse = shape.width, shape.sparse
        attributes = {name: rows for name, rows in sizes.user.items() if name not in (USER, HISTORY)}
        content = {name: rows for name, rows in sizes.item.items() if name != ITEM}
        of_users, of_items = sizes.user.get(USER, 0), sizes.item[ITEM]
        self.user_ids = id_table(of_users, sizes.unknown, width, sparse=sparse) if shape.user_ids else None
        self.item_ids = id_table(of_items, sizes.unknown, width, sparse=sparse)
        self.history = id_table(of_items, sizes.unknown, width, sparse=sparse)
        self.bias = nn.Parameter(torch.zeros(of_items))  # [rows of items], of logits
        self.gain = nn.Parameter(-damping * torch.from_numpy(popularity + 1).log())  # [rows of items]
        self.attributes = Content(attributes, width, sparse=False)
        self.content = Content(content, width, sparse=sparse)
        self.catalogue = nn.ModuleDict(
            {name: _fixed(catalogue[name], rows) for name, rows in content.items()} if not sparse else {}
        )
        for name, ids in catalogue.items() if sparse else ():
            self.register_buffer(f"ids_of_{name}", torch.from_numpy(ids), persistent=False)
        self.user_augmented = id_table(of_users, sizes.unknown, width, sparse=sparse) if shape.augmented else None
        self.item_augmented = id_table(of_items, sizes.unknown, width, sparse=sparse) if shape.augmented else None
        self.user_head, self.item_head = (self._head() for _ in range(2))

    def forward(self, users: Mapping[str, Tensor], candidates: Tensor | None, forgotten: Tensor | None) -> Vectors:
        """Return the vectors of users and of candidates.

        Args:
            users: Ids by input, int64 [batch, length].
            candidates: Rows of items, int64 [candidates]; None: all of them.
            forgotten: True where a candidate's id is not told, so that its content learns to do without, bool
                [candidates]; None: nowhere.
        """
        contents = self._contents()  # [rows of items, width]
        identity, content = self._items(candidates, contents)  # [candidates, width] each
        if forgotten is not None:
            identity = identity * (~forgotten).unsqueeze(1)  # [candidates, width]
        item_augmented = self._augmented(self.item_augmented, candidates, forgotten)
        read = self._read(users[HISTORY], contents) + self.attributes(users)  # [batch, width]
        of_user = self.user_ids(users[USER]) if self.user_ids is not None else torch.zeros_like(read)
        user_augmented = self.user_augmented(users[USER]) if self.user_augmented is not None else None
        return Vectors(
            self.user_head(of_user, read, user_augmented),
            self.item_head(identity, content, item_augmented),
            self.bias if candidates is None else self.bias[candidates],
            user_augmented,
            item_augmented,
        )

    def logits(self, found: Vectors) -> Tensor:
        """Return the logit of each user with each candidate, float32 [batch, candidates]."""
        return found.users @ found.items.T / self.log_temperature.exp() + found.biases

    def user_encoder(self) -> Encoder:
        """Return the user tower with what is known of the items in histories worked into one table."""
        history = FieldBag(*self.history.weight.shape, pooling="root")
        with torch.no_grad():
            history.weight.copy_(self._history_table(self._contents()))
            history.weight[0].zero_()
        content = _Reader(history, self.attributes)
        encoder = Encoder(self.user_names, USER, self.user_ids, content, self.user_augmented, self.user_head, None)
        return encoder.eval()

    def item_encoder(self) -> Encoder:
        """Return the item tower, with the bias brought to the scale of the dot products."""
        last = FieldBag(len(self.bias), 1)
        with torch.no_grad():
            last.weight.copy_((self.bias * self.log_temperature.exp()).unsqueeze(1))
            last.weight[0] = 0
        own, content = self.item_ids, self.content
        encoder = Encoder(self.item_names, ITEM, own, content, self.item_augmented, self.item_head, last)
        return encoder.eval()

    def _head(self) -> Head:
        shape = self.shape
        return Head(
            shape.width, shape.fusion, augmented=shape.augmented, hidden=shape.hidden, dropout=shape.dropout,
            normalised=shape.normalised,
        )  # fmt: skip

    def _contents(self) -> Tensor | None:
        """Return the content of all items, [rows of items, width]; None: there is none, or only candidates' is read."""
        if not self.catalogue:
            return None
        summed = [product(self._bag(name).table) for name, product in self.catalogue.items()]
        return torch.stack(summed).sum(dim=0)

    def _items(self, candidates: Tensor | None, contents: Tensor | None) -> tuple[Tensor, Tensor]:
        table = self.item_ids.table
        if contents is not None:
            return (
                (table, contents) if candidates is None else (self.item_ids(candidates[:, None]), contents[candidates])
            )
        rows = torch.arange(len(table), device=table.device) if candidates is None else candidates
        known = {name: self._ids_of(name)[rows] for name in self.content.names}  # int64 [candidates, length] each
        return self.item_ids(rows[:, None]), self.content({ITEM: rows, **known})

    def _augmented(self, table: FieldBag | None, rows: Tensor | None, forgotten: Tensor | None) -> Tensor | None:
        if table is None:
            return None
        found = table.table if rows is None else table(rows.unsqueeze(1))  # [candidates, width]
        return found if forgotten is None else found * (~forgotten).unsqueeze(1)

    def _read(self, ids: Tensor, contents: Tensor | None) -> Tensor:
        count = (ids > 0).sum(dim=1, keepdim=True).clamp_min(1).to(self.gain.dtype)  # [batch, 1]
        if self.shape.sparse:
            weights = self.gain[ids].exp() * (ids > 0)  # [batch, length]
            rows = nn.functional.embedding(ids, self.history.weight, sparse=True)  # [batch, length, width]
            return (weights.unsqueeze(1) @ rows).squeeze(1) / count.sqrt()  # [batch, width]
        table = self._history_table(contents)  # [rows of items, width]
        summed: Tensor = nn.functional.embedding_bag(ids, table, mode="sum", padding_idx=0)  # [batch, width]
        return summed / count.sqrt()

    def _history_table(self, contents: Tensor | None) -> Tensor:
        rows = self.history.weight if contents is None else self.history.weight + contents
        return rows * self.gain.exp().unsqueeze(1)  # [rows of items, width]

    def _bag(self, name: str) -> FieldBag:
        bag = self.content.bags[name]
        assert isinstance(bag, FieldBag)
        return bag

    def _ids_of(self, name: str) -> Tensor:
        ids: Tensor = getattr(self, f"ids_of_{name}")
        return ids


class _Reader(nn.Module):
    """A user's history and attributes, as one content."""

    def __init__(self, history: FieldBag, attributes: Content) -> None:
        super().__init__()
        self.history = history
        self.attributes = attributes

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        read: Tensor = self.history(features[HISTORY]) + self.attributes(features)
        return read


def _fixed(ids: NDArray[np.int64], rows: int) -> FixedBags:
    count = np.maximum((ids > 0).sum(axis=1), 1)
    return FixedBags(ids, rows, (1 / np.sqrt(count)).astype(np.float32))
