"""An encoder of fan works that has been trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from features.works import Work
from models.works import WorkEncoder
from training.reproducible import reproducible
from training.trained import Trained
from training.work_features import bare
from training.works import SparseFieldsRecipe, Vectors


@dataclass(frozen=True)
class TrainedWorks(Trained[SparseFieldsRecipe, WorkEncoder]):
    """A run of the sparse-fields family."""

    recipe_class: ClassVar[type[SparseFieldsRecipe]] = SparseFieldsRecipe

    @cached_property
    def whole(self) -> Vectors:
        """Vectors of all works by all that is known of them, [works, width]."""
        return self.vectors(self.recipe.records)

    @cached_property
    def bare(self) -> Vectors:
        """Vectors of all works by title and free tags alone, [works, width]."""
        return self.vectors([bare(work) for work in self.recipe.records])

    def vectors(self, works: Sequence[Work]) -> Vectors:
        """Return the vectors of works, [works, width]."""
        settings = self.recipe.config.training
        with reproducible(settings.threads, settings.deterministic):
            fabric = self.fabric()
            return self.recipe.vectors(self.module.to(fabric.device), works, fabric)

    def protocol(self) -> str:
        """Say in one line what figures of this run depend on."""
        rows = self.run.data().rows
        return (
            f"{self.recipe.data.description}; divided by the hashes of ids, seed {self.recipe.config.data.seed}: "
            f"{rows['train']:,} training, {rows['validation']:,} validation, {rows['test']:,} test works; "
            "the work itself left out"
        )
