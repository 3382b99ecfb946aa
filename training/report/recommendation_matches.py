"""Whether what is recommended has anything in common with what the user has read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.metrics.arrays import mean
from training.metrics.lists import Ranked, canonical
from training.metrics.neighbours import agreement, sets_of, sharing
from training.report.recommender_evaluation import RecommenderEvaluation

USERS = 2000
"""Test users, drawn at random, whose lists are compared."""
LENGTH = 10
"""Of the lists compared."""


@dataclass(frozen=True)
class Matching:
    """What items, and the histories of some test users, have: authors, and categories where there are any."""

    rows: NDArray[np.int64]
    """Places of these users among the test users, [drawn], rising."""
    items: Mapping[str, csr_matrix]
    """By `author` and `category`, boolean [items, values]."""
    users: Mapping[str, csr_matrix]
    """The same, of all items of a history: boolean [drawn, values]."""

    @classmethod
    def of(cls, evaluation: RecommenderEvaluation, most: int = USERS) -> Self:
        """Draw users and gather what their histories have."""
        rows = np.sort(np.random.default_rng(evaluation.seed).permutation(len(evaluation.users))[:most])
        items = {"author": sets_of([[author] for author in evaluation.items.authors])}
        if evaluation.items.categories is not None:
            items["category"] = canonical(evaluation.items.categories)
        known = evaluation.known[rows].astype(np.float32)
        users = {name: canonical((known @ held.astype(np.float32)).tocsr()) for name, held in items.items()}
        return cls(rows, items, users)

    def found(self, top: Ranked) -> dict[str, float]:
        """Return the share of the first places of lists [test users, k] that match, as `author_match@10`."""
        lists = top[self.rows, :LENGTH]
        return {_figure(name): mean(agreement(lists, self.users[name], held)) for name, held in self.items.items()}

    def chance(self) -> dict[str, float]:
        """Return the share of the whole catalogue that matches, for the mean user."""
        return {
            _figure(name): mean(sharing(self.users[name], held)) / held.shape[0] for name, held in self.items.items()
        }


def _figure(name: str) -> str:
    return f"{name}_match@{LENGTH}"
