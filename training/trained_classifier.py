"""A classifier that has been trained: the best weights of a run and the decision rule that belongs to them."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from features.labels import LABELS_FILE, LabelSet
from models.classifier import TextClassifier
from training.classifier import ClassifierRecipe, Part
from training.decision.fit import CrossFitted, cross_fit, fit_labels
from training.reproducible import reproducible
from training.trained import Trained


@dataclass(frozen=True)
class TrainedClassifier(Trained[ClassifierRecipe, TextClassifier]):
    """A run of the classifier family."""

    recipe_class: ClassVar[type[ClassifierRecipe]] = ClassifierRecipe

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
            fabric = self.fabric()
            return self.recipe.scores(self.module.to(fabric.device), part, fabric)

    def whole(self) -> TextClassifier:
        """Return the classifier with its transformer, on the CPU, which reads texts from their features alone."""
        return self.recipe.whole(self.module).cpu()
