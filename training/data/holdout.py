"""Which interactions train, which choose, which judge: divided within each user, so that everybody can be asked for.

The items of the test are drawn (or are the newest) among each user's; those of the validation among what is left of a
few users, so that training loses little. The lots hang on the ids and the seed alone.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_matrix

from training.config import Config
from training.data.errors import DataError
from training.data.lots import lots_of, mixed, shares

if TYPE_CHECKING:
    from training.data.interactions import Interactions


class HoldoutConfig(Config):
    """How interactions are divided."""

    by: Literal["random", "time"] = "random"
    """random: by lot; time: each user's newest interactions are the test, the newest of the rest the validation."""
    test: float = Field(0.2, gt=0, lt=1)
    """Share of each user's interactions; at least one where there are two, never all."""
    validation: float = Field(0.2, gt=0, lt=1)
    """Share of the rest, of the users whose interactions are validated; at least one where two are left."""
    validation_users: float = Field(0.1, gt=0, le=1)
    """Share of users of whom some interactions are validated."""
    seed: int = Field(0, ge=0)
    """Of the lots: which users are validated and, unless it goes by time, which interactions are held out."""


@dataclass(frozen=True)
class Holdout:
    """Disjoint parts of interactions, each bool [users, items] with sorted indices."""

    train: csr_matrix
    """The only part that features, vocabularies, popularities and losses may see."""
    validation: csr_matrix
    """Rows of most users are empty."""
    test: csr_matrix

    @cached_property
    def history(self) -> csr_matrix:
        """All that is not test: what users have seen when the test asks for more, and what it does not rank."""
        return _canonical(self.train + self.validation)


def hold_out(interactions: "Interactions", config: HoldoutConfig) -> Holdout:
    """Divide interactions within each user; neither their order nor other users' interactions matter.

    Raises:
        DataError: the interactions have no times to be divided by.
    """
    users, items = interactions.users, interactions.items
    of_users, of_items = (lots_of(ids, config.seed) for ids in (interactions.user_ids, interactions.item_ids))
    lots = mixed(of_users[users], of_items[items])  # [n]
    place, sizes = _places(users, lots, len(of_users), _ages(interactions, config))
    tested = _portion(sizes, config.test)  # [users]
    asked = shares(mixed(of_users, lots_of(["validation"], config.seed))) < config.validation_users
    validated = np.where(asked, _portion(sizes - tested, config.validation), 0)
    test, held = place < tested[users], place < (tested + validated)[users]
    shape = len(of_users), len(of_items)
    parts = (_matrix(users[part], items[part], shape) for part in (~held, held & ~test, test))
    return Holdout(*parts)


def _ages(interactions: "Interactions", config: HoldoutConfig) -> NDArray[np.float64] | None:
    """Return how old interactions are, in no particular unit; what has no time is the oldest. [n]"""
    if config.by == "random":
        return None
    if interactions.times is None:
        raise DataError("these interactions have no times; hold out at random")
    return np.where(np.isnan(interactions.times), np.inf, -interactions.times)


def _places(
    users: NDArray[np.int64], lots: NDArray[np.uint64], rows: int, ages: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each interaction's place in its user's queue [n], the youngest first, and the queues' lengths [users]."""
    order = np.lexsort((lots, users) if ages is None else (lots, ages, users))
    sizes = np.bincount(users, minlength=rows)
    starts = np.cumsum(sizes) - sizes
    places = np.empty(len(users), dtype=np.int64)
    places[order] = np.arange(len(users)) - starts[users[order]]
    return places, sizes


def _portion(sizes: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Return the share of each size, rounded, at least 1 and at most all but 1; nothing of sizes below 2."""
    rounded = np.floor(sizes * share + 0.5).astype(np.int64)
    return np.where(sizes < 2, 0, np.clip(rounded, 1, np.maximum(sizes - 1, 1)))


def _matrix(users: NDArray[np.int64], items: NDArray[np.int64], shape: tuple[int, int]) -> csr_matrix:
    return _canonical(csr_matrix((np.ones(len(users), dtype=np.bool_), (users, items)), shape=shape))


def _canonical(matrix: csr_matrix) -> csr_matrix:
    matrix.sum_duplicates()
    matrix.sort_indices()
    return matrix
