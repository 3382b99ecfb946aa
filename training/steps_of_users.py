"""The steps of a recommender's training: what of each user's items is told, and what is to be found.

A step divides the training items of some users, by a lot that is drawn anew each time, into a history and positives.
An item that is to be found is never in the history it is to be found from.
"""

from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from training.two_tower_config import ObjectiveConfig

LEAST = 2
"""Training items of a user that can be divided at all."""

Rows = NDArray[np.int64]


class UserBatch(TypedDict, total=False):
    """One step; rows are those of the items' id tables."""

    users: dict[str, Tensor]
    """What the user tower reads."""
    history: Tensor
    """Rows of items, int64 [batch, length], 0 where there is none."""
    targets: Tensor
    """Places of positives among the candidates, int64 [batch, positives], -1 where there is none."""
    weights: Tensor
    """Of each positive, float32 [batch, 1]."""
    candidates: Tensor | None
    """Rows of items, int64 [candidates]; None: all rows, and a place is a row."""
    log_q: Tensor | None
    """float32 [candidates], see `SampledSoftmaxLoss`."""
    hidden: Tensor | None
    """Candidates that a user has met, bool [batch, candidates]."""
    forgotten: Tensor | None
    """Candidates whose id is not told, bool [candidates]."""


class Sampler:
    """Draws steps from interactions.

    Args:
        train: The training part, bool [users, items].
        rows_of_items: Row of each item in the id tables, [items].
        config: How items are divided and what positives compete with.
        longest: Items of a history, at most.
    """

    def __init__(self, train: csr_matrix, rows_of_items: Rows, config: ObjectiveConfig, longest: int) -> None:
        self.users: Rows = np.flatnonzero(np.diff(train.indptr) >= LEAST)
        """Users that can be divided; a step is drawn by places among them."""
        self._train = train
        self._rows = rows_of_items
        self._config = config
        self._longest = longest
        self._places = int(rows_of_items.max()) + 1
        met = np.bincount(train.indices, minlength=train.shape[1])  # [items]
        self._share = np.zeros(self._places)  # of all interactions, by row
        np.add.at(self._share, rows_of_items, met / max(met.sum(), 1))
        weights = np.where(met > 0, np.maximum(met, 1.0) ** config.negatives.alpha, 0)
        self._drawn = np.zeros(self._places)  # probability of each draw, by row
        np.add.at(self._drawn, rows_of_items, weights / weights.sum())

    def draw(self, places: Rows, generator: torch.Generator) -> UserBatch:
        """Draw one step for users, given by their places among `users`, [batch]."""
        random = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        users = self.users[places]
        owner, items, target = self._divided(users, random)
        history = _padded(owner[~target], items[~target], len(users), self._longest, 0)
        if self._config.forget_history:
            history[random.random(len(users)) < self._config.forget_history] = 0
        positives = _padded(owner[target], items[target], len(users), self._config.targets, -1)
        count = (positives >= 0).sum(axis=1, keepdims=True)  # [batch, 1]
        weights = np.maximum(count, 1.0) ** (self._config.heavy_users - 1)
        batch = UserBatch(
            history=torch.from_numpy(history), weights=torch.from_numpy(weights.astype(np.float32)), candidates=None,
            log_q=None, hidden=None, forgotten=None,
        )  # fmt: skip
        if self._config.negatives.kind == "all":
            batch["targets"] = torch.from_numpy(positives)
            self._forget(batch, self._places, random)
            return batch
        return self._compete(batch, users, positives, random)

    def _divided(self, users: Rows, random: np.random.Generator) -> tuple[Rows, Rows, NDArray[np.bool_]]:
        """Return, in the order of a lot within each user: the user's place, the item's row, and which are positives."""
        own = self._train[users]
        sizes = np.diff(own.indptr)  # [batch]
        owner = np.repeat(np.arange(len(users)), sizes)  # [items of all]
        lots = random.random(len(owner))
        order = np.lexsort((lots, owner))
        rank = np.arange(len(owner)) - np.repeat(own.indptr[:-1], sizes)  # [items of all], within each user
        wanted = random.binomial(sizes, self._config.target_share)  # [batch]
        wanted = np.clip(wanted, 1, np.minimum(sizes - 1, self._config.targets))
        return owner, self._rows[own.indices[order]], rank < wanted[owner]

    def _compete(self, batch: UserBatch, users: Rows, positives: Rows, random: np.random.Generator) -> UserBatch:
        """Add the candidates that all users of the step share."""
        negatives = self._config.negatives
        there = positives[positives >= 0]  # [positives of all]
        expected = len(there) * self._share  # [rows]
        found = np.unique(there)
        if negatives.kind == "sampled":
            drawn = random.choice(self._places, negatives.count, p=self._drawn)
            expected = expected + negatives.count * self._drawn
            found = np.unique(np.concatenate([found, drawn]))
        places = np.searchsorted(found, positives)
        batch["targets"] = torch.from_numpy(np.where(positives >= 0, places, -1))
        batch["candidates"] = torch.from_numpy(found)
        batch["log_q"] = torch.from_numpy(np.log(expected[found]).astype(np.float32))
        batch["hidden"] = torch.from_numpy(self._met(users, found))
        self._forget(batch, len(found), random)
        return batch

    def _met(self, users: Rows, candidates: Rows) -> NDArray[np.bool_]:
        """Return which candidates each user has met, [batch, candidates]."""
        own = self._train[users]
        owner = np.repeat(np.arange(len(users)), np.diff(own.indptr))
        rows = self._rows[own.indices]
        place = np.minimum(np.searchsorted(candidates, rows), len(candidates) - 1)
        same = candidates[place] == rows
        met = np.zeros((len(users), len(candidates)), np.bool_)
        met[owner[same], place[same]] = True
        return met

    def _forget(self, batch: UserBatch, candidates: int, random: np.random.Generator) -> None:
        if self._config.forget:
            batch["forgotten"] = torch.from_numpy(random.random(candidates) < self._config.forget)


def _padded(owner: Rows, values: Rows, rows: int, most: int, fill: int) -> Rows:
    """Lay values side by side by their owner, sorted, at most so many of each: [rows, longest], 1 wide at least."""
    sizes = np.bincount(owner, minlength=rows)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = rank < most
    padded = np.full((rows, max(1, min(int(sizes.max(initial=0)), most))), fill, np.int64)
    padded[owner[kept], rank[kept]] = values[kept]
    return padded
