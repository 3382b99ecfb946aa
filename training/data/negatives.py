"""Items that a user has not met, drawn for many users at a time; and how probable each draw is, for the correction.

A sampled or in-batch softmax favours rare items unless log q(item) is taken off each logit (Bengio, Senecal 2008; Yi et
al. 2019). q here is that of one draw before the user's own items are turned away, which shifts a user's logits alike.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.data.errors import DataError

ROUNDS = 20
"""Draws after which a user who has nearly everything is drawn for from the list of what is left."""


def log_q(counts: NDArray[np.int64], alpha: float = 1.0) -> NDArray[np.float32]:
    """Return log q of each item where items come up as often as max(count, 1)^alpha says. [items]

    Args:
        counts: how often each item was met in training. [items]
        alpha: 1: as items come up in a batch of interactions; 0: all alike; 0.75 is usual between.
    """
    weights = _weights(counts, alpha)
    logs: NDArray[np.float32] = np.log(weights / weights.sum()).astype(np.float32)
    return logs


class Negatives:
    """Draws items that users have not met."""

    def __init__(self, positives: csr_matrix, alpha: float = 0.0) -> None:
        """Take the items that count as met; pass the training part, so that nothing is learnt of what is held out.

        Args:
            positives: [users, items], whatever is stored counts.
            alpha: see `log_q`; 0: all items alike.

        Raises:
            DataError: a user has met every item.
        """
        self.items = int(positives.shape[1])
        sizes = np.diff(positives.indptr)
        if len(sizes) and int(sizes.max()) >= self.items:
            raise DataError(f"user {int(sizes.argmax())} has met all {self.items} items; there is none to set against")
        rows = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
        self._met: NDArray[np.int64] = np.sort(rows * self.items + positives.indices)  # pairs as one number each
        counts = np.bincount(positives.indices, minlength=self.items)
        self.log_q = log_q(counts, alpha)
        """log q of each item under these draws. [items] float32"""
        self._steps = np.cumsum(_weights(counts, alpha))

    def draw(self, users: NDArray[np.int64], count: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Return `count` items for each user, none met by that user; an item may come up again. [rows, count]"""
        owners = np.repeat(users, count)
        drawn = self._items(len(owners), random)
        wrong = np.flatnonzero(self.met(owners, drawn))
        for _ in range(ROUNDS):
            if not len(wrong):
                break
            drawn[wrong] = self._items(len(wrong), random)
            wrong = wrong[self.met(owners[wrong], drawn[wrong])]
        for user in np.unique(owners[wrong]):
            mine = wrong[owners[wrong] == user]
            drawn[mine] = self._left(int(user), len(mine), random)
        return drawn.reshape(len(users), count)

    def met(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the pairs have met. [pairs]"""
        pairs = users * self.items + items
        if not len(self._met):
            return np.zeros(len(pairs), dtype=np.bool_)
        at = np.minimum(np.searchsorted(self._met, pairs), len(self._met) - 1)
        found: NDArray[np.bool_] = self._met[at] == pairs
        return found

    def _items(self, count: int, random: np.random.Generator) -> NDArray[np.int64]:
        at = np.searchsorted(self._steps, random.random(count) * self._steps[-1], side="right")
        items: NDArray[np.int64] = at.clip(max=self.items - 1).astype(np.int64)
        return items

    def _left(self, user: int, count: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Draw from the list of all that a user has not met."""
        everything = np.arange(self.items)
        free = everything[~self.met(np.full(self.items, user), everything)]
        weights = np.exp(self.log_q[free].astype(np.float64))
        return random.choice(free, size=count, p=weights / weights.sum())


def _weights(counts: NDArray[np.int64], alpha: float) -> NDArray[np.float64]:
    return np.maximum(counts, 1).astype(np.float64) ** alpha
