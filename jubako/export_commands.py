"""What `jubako export` does: the pipeline of the recipe's family, and one line about what it stored."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from bundle.bundle import Bundle
from bundle.errors import BundleError
from bundle.store import find, is_stored
from export.errors import ExportError
from jubako.console import console, told_plainly

TEXT = "text"


def run_export(
    name: str,
    source: str | None,
    bundle_name: str | None,
    overrides: Sequence[str],
    dev: bool,
    run: str | None,
    if_missing: bool,
) -> None:
    """Export what a configuration names, unless it is stored and `if_missing` says to leave it then."""
    with told_plainly(BundleError):
        if _family(name) == TEXT:
            bundle = _export_text(name, source, bundle_name, overrides, if_missing)
        else:
            bundle = _export_run(name, source, bundle_name, overrides, dev, run, if_missing)
    if bundle is not None:
        console.print(f"stored [bold]{bundle.tag}[/bold]")


def _export_text(
    name: str, source: str | None, bundle_name: str | None, overrides: Sequence[str], if_missing: bool
) -> Bundle | None:
    from export.config import read_config

    if overrides:
        raise ExportError("--set is for recipes that are trained; edit the YAML of a text encoder, or copy it")
    settings = read_config(_path(name), source=source, name=bundle_name)
    if if_missing and _told_stored(settings.name):
        return None
    from export.text import export_text

    return export_text(settings)


def _export_run(
    name: str,
    source: str | None,
    bundle_name: str | None,
    overrides: Sequence[str],
    dev: bool,
    run: str | None,
    if_missing: bool,
) -> Bundle | None:
    if source is not None:
        raise ExportError("--from is for text encoders; what is trained is exported from its run: --run NAME")
    from training.errors import TrainingError
    from training.recipes import read_recipe
    from training.train import default_run_name

    try:
        wanted = bundle_name or default_run_name(read_recipe(name, overrides, dev=dev), dev)
    except TrainingError as error:
        raise ExportError(str(error)) from error
    if if_missing and _told_stored(wanted):
        return None
    from export.runs import export_run

    return export_run(name, overrides, dev=dev, run_name=run, bundle_name=wanted)


def _told_stored(name: str) -> bool:
    if not is_stored(name):
        return False
    console.print(f"{find(name).tag} is stored already")
    return True


def _family(name: str) -> str:
    """Return the family that a configuration is of.

    Raises:
        ExportError: there is no such configuration.
    """
    path = _path(name)
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.yaml")))
        raise ExportError(f"{name!r} cannot be read; configurations: {known}, or the path of a YAML file") from error
    return str(content.get("family", TEXT)) if isinstance(content, dict) else TEXT


def _path(name: str) -> Path:
    path = Path(name)
    return path if path.suffix in (".yaml", ".yml") else Path(__file__).parent.parent / "configs" / f"{name}.yaml"
