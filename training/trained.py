"""A model that has been trained: a run, its data prepared again, and its best weights."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from lightning_fabric import Fabric
from torch import nn

from training.checkpoints import load_weights
from training.config import RecipeConfig
from training.errors import TrainingError
from training.recipe import Recipe
from training.recipes import make_recipe, read_recipe
from training.report.about import describe_machine, describe_versions
from training.reproducible import reproducible, seed_all
from training.run import Run, runs_root
from training.state import RunMetrics
from training.train import default_run_name

TRAINED = {
    "classifier": "training.trained_classifier:TrainedClassifier",
    "sparse_fields": "training.trained_works:TrainedWorks",
    "two_tower": "training.trained_two_tower:TrainedTwoTower",
}
"""For each family what a run of it is opened as, imported when it is first asked for."""

AFTERWARDS = {"training", "decision", "evaluation", "export"}
"""Sections that may change once a run has ended: none of them says what its weights mean."""

R = TypeVar("R", bound=Recipe[Any])
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Trained(Generic[R, M]):
    """A run of one family; a family adds what it does with it."""

    run: Run
    recipe: R
    module: M
    """In evaluation mode."""
    metrics: RunMetrics

    recipe_class: ClassVar[type[Recipe[Any]]]
    """The family's recipe."""

    @classmethod
    def open(
        cls,
        name_or_path: str | Path,
        overrides: Sequence[str] = (),
        *,
        dev: bool = False,
        run_name: str | None = None,
        root: Path | None = None,
    ) -> Self:
        """Open the run of a recipe.

        Raises:
            TrainingError: there is no such run, it has not ended, or it is of another recipe or other data.
        """
        config = read_recipe(name_or_path, overrides, dev=dev)
        recipe = make_recipe(config)
        if not isinstance(recipe, cls.recipe_class):
            raise TrainingError(f"{config.name} is of the family {config.family}, which is trained otherwise")
        run = Run.find(root or runs_root(), run_name or default_run_name(config, dev))
        _check_recipe(run, recipe.config)
        return cls.of(run, recipe)

    @classmethod
    def of(cls, run: Run, recipe: Recipe[Any]) -> Self:
        """Open a run with the recipe that it was trained by.

        Raises:
            TrainingError: it has not ended, or is of other data.
        """
        config = recipe.config
        if (metrics := run.finished()) is None:
            raise TrainingError(f"run {run.name} has not ended; go on with it: jubako train {config.name}")
        with reproducible(config.training.threads, config.training.deterministic):
            recipe.prepare()
            run.bind_data(recipe.fingerprint())
            seed_all(config.seed, "module")
            module = recipe.module()
        load_weights(module, run.best_weights())
        return cls(run, recipe, module.eval(), metrics)  # type: ignore[arg-type]

    def fabric(self) -> Fabric:
        """Return the one device on which a trained model is measured."""
        return Fabric(accelerator=self.recipe.config.training.accelerator, devices=1)

    def about(self, data: str) -> dict[str, str]:
        """Return the lines of a report's header: `data` for people, run, versions and machine."""
        return {
            "data": data,
            "fingerprint": self.run.data().sha256,
            "run": str(self.run.folder),
            "seed": str(self.recipe.config.seed),
            "training": f"{self.metrics.epochs} epochs, {self.metrics.seconds:.0f} s",
            **describe_versions(),
            **describe_machine(),
        }

    def history(self) -> list[dict[str, float]]:
        """Return the figures of each epoch, for training curves."""
        return [
            {
                "epoch": float(record.epoch),
                "train loss": record.train["loss"],
                **{f"validation {name}": value for name, value in record.validation.items()},
            }
            for record in self.metrics.history
        ]


def open_trained(
    name_or_path: str | Path,
    overrides: Sequence[str] = (),
    *,
    dev: bool = False,
    run_name: str | None = None,
    root: Path | None = None,
) -> Trained[Any, Any]:
    """Open the run of a recipe as its family's.

    Raises:
        TrainingError: as `Trained.open`.
    """
    module, name = TRAINED[read_recipe(name_or_path, overrides, dev=dev).family].split(":")
    family: type[Trained[Any, Any]] = getattr(importlib.import_module(module), name)
    return family.open(name_or_path, overrides, dev=dev, run_name=run_name, root=root)


def _check_recipe(run: Run, config: RecipeConfig) -> None:
    """Hold a recipe to the one that the run was trained with, for weights that fit may still mean something else."""
    given = config.model_dump(mode="json", exclude=AFTERWARDS)
    trained = read_recipe(run.config_file).model_dump(mode="json", exclude=AFTERWARDS)
    if differing := [key for key in given if given[key] != trained.get(key)]:
        raise TrainingError(
            f"run {run.name} was trained with other values of {', '.join(differing)}: see {run.config_file}, give the "
            "same ones with --set, or train beside it with --run NAME"
        )
