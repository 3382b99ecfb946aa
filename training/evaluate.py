"""Evaluation by name, as the command does it: the family's own, told in a few figures."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from training.report.summary import Summary
from training.steps import Steps
from training.trained import Trained, open_trained

EVALUATIONS = {
    "classifier": "training.classifier_evaluation:summarise_classifier",
    "sparse_fields": "training.works_evaluation:summarise_works",
    "two_tower": "training.two_tower_evaluation:summarise_two_tower",
}
"""For each family the function that measures a run and writes its report, imported when it is first asked for."""


def evaluate(
    name_or_path: str | Path,
    overrides: Sequence[str] = (),
    *,
    dev: bool = False,
    run_name: str | None = None,
    root: Path | None = None,
    steps: Steps | None = None,
) -> tuple[Summary, Path]:
    """Measure the run of a recipe and its baselines on the test rows; return the summary and the report's folder.

    Raises:
        TrainingError: there is no such run, it has not ended, or it is of another recipe or other data.
    """
    trained = open_trained(name_or_path, overrides, dev=dev, run_name=run_name, root=root)
    module, name = EVALUATIONS[trained.recipe.config.family].split(":")
    measure: Callable[[Trained[Any, Any], Steps], Summary] = getattr(importlib.import_module(module), name)
    return measure(trained, steps or Steps()), trained.run.report
