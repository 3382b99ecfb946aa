"""Training by name, as the command does it."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from training.config import RecipeConfig
from training.loop import Result, fit
from training.recipes import make_recipe, read_recipe
from training.run import runs_root


def train(
    name_or_path: str | Path,
    overrides: Sequence[str] = (),
    *,
    dev: bool = False,
    from_scratch: bool = False,
    run_name: str | None = None,
    root: Path | None = None,
    console: Console | None = None,
) -> Result:
    """Read a recipe and train it, from its last checkpoint if it was started before.

    Raises:
        TrainingError: as `read_recipe` and `fit` do.
    """
    config = read_recipe(name_or_path, overrides, dev=dev)
    folder = run_name or default_run_name(config, dev)
    return fit(make_recipe(config), root or runs_root(), folder, from_scratch=from_scratch, console=console)


def default_run_name(config: RecipeConfig, dev: bool) -> str:
    """Return the name of a run that was given none; a dev run does not stand in the way of the real one."""
    return f"{config.name}-dev" if dev else config.name
