"""What `jubako train`, `evaluate` and `sweep` do: call `training`, print what it says."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from jubako.console import console, told_plainly
from training.errors import TrainingError
from training.metrics.bootstrap import Interval
from training.report.summary import Summary


def run_training(
    name: str, overrides: Sequence[str], dev: bool, from_scratch: bool, run: str | None, if_missing: bool
) -> None:
    """Train a recipe."""
    from training.recipes import read_recipe
    from training.train import default_run_name, train

    with told_plainly(TrainingError):
        if if_missing and (tag := _stored(default_run_name(read_recipe(name, overrides, dev=dev), dev))):
            console.print(f"{tag} is stored already")
            return
        result = train(name, overrides, dev=dev, from_scratch=from_scratch, run_name=run)
    console.print(f"run [bold]{result.run.folder}[/bold], trained on: {result.metrics.data}", soft_wrap=True)
    console.print(f"next: jubako evaluate {name}, jubako export {name}")


def run_evaluation(name: str, overrides: Sequence[str], dev: bool, run: str | None) -> None:
    """Measure a trained recipe, and print the main figures."""
    from training.evaluate import evaluate

    with told_plainly(TrainingError):
        summary, folder = evaluate(name, overrides, dev=dev, run_name=run)
    console.print(_table(summary))
    console.print(f"report: {folder / 'report.md'}", soft_wrap=True)


def run_sweep(
    name: str, grid: Sequence[str], overrides: Sequence[str], dev: bool, from_scratch: bool, run: str | None
) -> None:
    """Train the points of a grid, and print the comparison."""
    from training.overrides import parse_grid
    from training.sweep import sweep

    with told_plainly(TrainingError):
        found = sweep(name, parse_grid(grid), overrides, dev=dev, from_scratch=from_scratch, run_name=run)
    console.print(found.markdown(), soft_wrap=True, markup=False)
    console.print(f"table: {found.folder / 'sweep.md'}", soft_wrap=True)


def _table(summary: Summary) -> Table:
    table = Table("on test rows", *summary.shown, box=None)
    for line in summary.lines:
        cells = [f"{line.figures[name]:.4f}{_interval(line.intervals, name)}" for name in summary.shown]
        table.add_row(line.title, *cells)
    return table


def _interval(intervals: Mapping[str, Interval], name: str) -> str:
    interval = intervals.get(name)
    return f" ({interval.low:.4f}-{interval.high:.4f})" if interval is not None else ""


def _stored(name: str) -> str | None:
    from bundle.store import find, is_stored

    return find(name).tag if is_stored(name) else None
