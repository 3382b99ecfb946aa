"""Export of what was trained, by name: the family's own way from its run to a bundle."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from bundle.bundle import Bundle
from export.errors import ExportError
from training.errors import TrainingError
from training.recipes import read_recipe

EXPORTS = {
    "classifier": "export.classifier:export_classifier",
    "sparse_fields": "export.works:export_works",
    "two_tower": "export.two_tower:export_two_tower",
}
"""For each family its export, imported when it is first asked for."""


def export_run(
    name_or_path: str | Path,
    overrides: Sequence[str] = (),
    *,
    dev: bool = False,
    run_name: str | None = None,
    bundle_name: str | None = None,
    root: Path | None = None,
) -> Bundle:
    """Export the run of a recipe and put its bundle into the model store.

    Raises:
        ExportError: there is no such run, the model is not good enough, or a graph does not agree with PyTorch.
        BundleError: the store already has this name and version.
    """
    try:
        family = read_recipe(name_or_path, overrides, dev=dev).family
    except TrainingError as error:
        raise ExportError(str(error)) from error
    module, name = EXPORTS[family].split(":")
    export: Callable[..., Bundle] = getattr(importlib.import_module(module), name)
    return export(name_or_path, overrides, dev=dev, run_name=run_name, bundle_name=bundle_name, root=root)
