"""A classifier that has been trained: the best weights of a run and the decision rule that belongs to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray

from features.labels import LABELS_FILE, LabelSet
from models.classifier import TextClassifier
from training.checkpoints import load_weights
from training.classifier import ClassifierRecipe, Part
from training.classifier_config import ClassifierConfig
from training.decision.fit import CrossFitted, cross_fit, fit_labels
from training.errors import TrainingError
from training.recipes import make_recipe, read_recipe
from training.reproducible import reproducible, seed_all
from training.run import Run, runs_root
from training.state import RunMetrics
from training.train import default_run_name

AFTERWARDS = {"training", "decision", "export"}
"""Sections that may change once a run has ended: none of them says what its weights mean."""


@dataclass(frozen=True)
class TrainedClassifier:
    """A run of the classifier family, its data prepared again and its best weights loaded."""

    run: Run
    recipe: ClassifierRecipe
    module: TextClassifier
    metrics: RunMetrics

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
        if not isinstance(recipe, ClassifierRecipe):
            raise TrainingError(f"{config.name} is of the family {config.family}, not a classifier")
        run = Run.find(root or runs_root(), run_name or default_run_name(config, dev))
        _check_recipe(run, recipe.config)
        if (metrics := run.finished()) is None:
            raise TrainingError(f"run {run.name} has not ended; go on with it: jubako train {config.name}")
        with reproducible(config.training.threads, config.training.deterministic):
            recipe.prepare()
            run.bind_data(recipe.fingerprint())
            seed_all(config.seed, "module")
            module = recipe.module()
        load_weights(module, run.best_weights())
        return cls(run, recipe, module.eval(), metrics)

    @cached_property
    def validation_scores(self) -> NDArray[np.float32]:
        """Scores of the validation rows, uncalibrated, [rows, labels]."""
        return self.scores(self.recipe.validation)

    @cached_property
    def label_set(self) -> LabelSet:
        """The decision rule, fitted on the validation rows and on nothing else; kept in the run's folder."""
        truth = self.recipe.validation.truth
        fitted = fit_labels(self.validation_scores, truth, self.recipe.label_set, self.recipe.config.decision)
        (self.run.folder / LABELS_FILE).write_text(fitted.model_dump_json(indent=2) + "\n")
        return fitted

    def cross_fitted(self) -> CrossFitted:
        """Decide each validation row by a rule that was fitted without it."""
        truth = self.recipe.validation.truth
        return cross_fit(self.validation_scores, truth, self.recipe.label_set, self.recipe.config.decision)

    def scores(self, part: Part) -> NDArray[np.float32]:
        """Return a part's scores, uncalibrated, [rows, labels]."""
        settings = self.recipe.config.training
        with reproducible(settings.threads, settings.deterministic):
            fabric = Fabric(accelerator=settings.accelerator, devices=1)
            return self.recipe.scores(self.module.to(fabric.device), part, fabric)

    def whole(self) -> TextClassifier:
        """Return the classifier with its transformer, on the CPU, which reads texts from their features alone."""
        return self.recipe.whole(self.module).cpu()


def _check_recipe(run: Run, config: ClassifierConfig) -> None:
    """Hold a recipe to the one that the run was trained with, for weights that fit may still mean something else."""
    given = config.model_dump(mode="json", exclude=AFTERWARDS)
    trained = read_recipe(run.config_file).model_dump(mode="json", exclude=AFTERWARDS)
    if differing := [key for key in given if given[key] != trained.get(key)]:
        raise TrainingError(
            f"run {run.name} was trained with other values of {', '.join(differing)}: see {run.config_file}, give the "
            "same ones with --set, or train beside it with --run NAME"
        )
