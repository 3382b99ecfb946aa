"""Export of what was trained, by name: the family's own way from its run to a bundle."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bundle.bundle import Bundle
from bundle.store import save
from export.errors import ExportError
from training.errors import TrainingError
from training.steps import Steps
from training.train import default_run_name
from training.trained import Trained, open_trained

EXPORTS = {
    "classifier": "export.classifier:build_classifier",
    "sparse_fields": "export.works:build_works",
    "two_tower": "export.two_tower:build_two_tower",
}
"""For each family what makes a bundle of a run, imported when it is first asked for."""

Build = Callable[[Trained[Any, Any], Path, str, Steps], Bundle]
"""A run, an empty folder, the bundle's name, who is told -> the sealed bundle in the folder."""


def export_run(
    name_or_path: str | Path,
    overrides: Sequence[str] = (),
    *,
    dev: bool = False,
    run_name: str | None = None,
    bundle_name: str | None = None,
    root: Path | None = None,
    steps: Steps | None = None,
) -> Bundle:
    """Export the run of a recipe and put its bundle into the model store.

    Raises:
        ExportError: there is no such run, the model is not good enough, or a graph does not agree with PyTorch.
        BundleError: the store already has this name and version.
    """
    steps = steps or Steps()
    try:
        with steps.step("trained model"):
            trained = open_trained(name_or_path, overrides, dev=dev, run_name=run_name, root=root)
    except TrainingError as error:
        raise ExportError(str(error)) from error
    config = trained.recipe.config
    module, name = EXPORTS[config.family].split(":")
    build: Build = getattr(importlib.import_module(module), name)
    with TemporaryDirectory(prefix="jubako-export-") as folder:
        bundle = build(trained, Path(folder), bundle_name or default_run_name(config, dev), steps)
        with steps.step("store"):
            return save(bundle)
