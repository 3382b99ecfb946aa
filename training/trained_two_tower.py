"""A two-tower recommender that has been trained."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from models.two_tower import TwoTower
from training.metrics.lists import Ranked
from training.reproducible import reproducible
from training.trained import Trained
from training.two_tower import Array, TwoTowerRecipe


@dataclass(frozen=True)
class TrainedTwoTower(Trained[TwoTowerRecipe, TwoTower]):
    """A run of the two-tower family."""

    recipe_class: ClassVar[type[TwoTowerRecipe]] = TwoTowerRecipe

    @cached_property
    def item_vectors(self) -> Array:
        """Vectors of the whole catalogue, [items, width]."""
        with self._settled():
            fabric = self.fabric()
            return self.recipe.item_vectors(self.module.to(fabric.device), fabric)

    def user_vectors(self, histories: csr_matrix, users: NDArray[np.int64]) -> Array:
        """Return the vectors of users with what stands in their rows of `histories` [all users, items]."""
        with self._settled():
            fabric = self.fabric()
            records = self.recipe.users(histories, users)
            return self.recipe.user_vectors(self.module.to(fabric.device), records, fabric)

    def top(self, users: NDArray[np.int64], histories: csr_matrix, k: int = 100) -> Ranked:
        """Return each user's k best items, [users, k], without those in the user's history."""
        with self._settled():
            fabric = self.fabric()
            return self.recipe.top(self.module.to(fabric.device), users, histories, fabric, k)

    def protocol(self) -> str:
        """Say in one line what figures of this run depend on."""
        config, rows = self.recipe.config.data, self.run.data().rows
        how = "at random" if config.holdout.by == "random" else "the newest"
        return (
            f"{self.recipe.data.description}; {config.min_user}-core of users, {config.min_item}-core of items; "
            f"{config.holdout.test:.0%} of each user's interactions held out {how}, seed {config.holdout.seed}: "
            f"{rows['train']:,} training, {rows['validation']:,} validation, {rows['test']:,} test interactions; "
            "full ranking, the user's own history left out"
        )

    def _settled(self) -> AbstractContextManager[None]:
        settings = self.recipe.config.training
        return reproducible(settings.threads, settings.deterministic)
