"""Grid sweeps: one run for every combination of values, and a table that compares them."""

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from training.config import RecipeConfig
from training.errors import TrainingError
from training.files import write_json, write_whole
from training.loop import fit
from training.overrides import full_key
from training.recipes import make_recipe, read_recipe
from training.run import runs_root
from training.state import RunMetrics
from training.train import default_run_name

LONGEST_SLUG = 120
"""Characters of a run folder's name that tell values."""


@dataclass(frozen=True)
class Point:
    """One combination of values."""

    values: dict[str, Any]
    """Value of each dotted key of the grid."""
    config: RecipeConfig
    metrics: RunMetrics | None = None
    error: str | None = None
    """Why there are no metrics."""

    @property
    def slug(self) -> str:
        """Name of the point's run folder."""
        told = ",".join(f"{key.rsplit('.', 1)[-1]}={_plain(value)}" for key, value in self.values.items())
        exact = json.dumps(list(self.values.values()))
        lossy = len(told) > LONGEST_SLUG or any(isinstance(value, list | str) for value in self.values.values())
        return f"{told[:LONGEST_SLUG]},{hashlib.sha256(exact.encode()).hexdigest()[:8]}" if lossy else told


@dataclass(frozen=True)
class Sweep:
    """The finished points of a grid, best first, those that failed last."""

    folder: Path
    points: list[Point]

    @property
    def best(self) -> Point:
        """The point with the best value of the watched metric.

        Raises:
            TrainingError: all of them failed.
        """
        if self.points[0].metrics is None:
            raise TrainingError(f"every point of the sweep failed; the first one: {self.points[0].error}")
        return self.points[0]

    def markdown(self) -> str:
        """Return the comparison as a Markdown table."""
        metrics = _metric_names(self.points)
        header = [*self.points[0].values, *metrics, "best epoch", "epochs", "seconds", "run"]
        rows = [header, ["---"] * len(header), *([*_cells(point, metrics)] for point in self.points)]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"

    def records(self) -> list[dict[str, Any]]:
        """Return the comparison as JSON: for each point its values, metrics of its best epoch, and cost."""
        return [_record(point) for point in self.points]


def sweep(
    name_or_path: str | Path,
    grid: Mapping[str, Sequence[Any]],
    overrides: Sequence[str] = (),
    *,
    dev: bool = False,
    from_scratch: bool = False,
    run_name: str | None = None,
    root: Path | None = None,
    console: Console | None = None,
) -> Sweep:
    """Train every combination of the grid in `<root>/<name>-sweep/<values>/` and write sweep.md and sweep.json there.

    Finished points are not trained again, interrupted ones go on. A point that fails, by a loss that is not finite for
    example, is told in the table and does not end the sweep.

    Raises:
        TrainingError: the recipe, a key or a value of the grid is wrong; nothing has been trained then.
    """
    console = console or Console(stderr=True)
    points = plan(name_or_path, grid, overrides, dev=dev)
    base = read_recipe(name_or_path, overrides, dev=dev)
    folder = (root or runs_root()) / (run_name or f"{default_run_name(base, dev)}-sweep")
    done = []
    for at, point in enumerate(points, start=1):
        console.print(f"point {at}/{len(points)}  {point.slug}", highlight=False)
        done.append(_trained(point, folder, from_scratch, console))
    watched = base.training.early_stopping
    sign = -1 if watched.mode == "max" else 1
    done.sort(key=lambda point: (point.metrics is None, sign * point.metrics.value if point.metrics else 0.0))
    result = Sweep(folder, done)
    order = f"Validation metrics of each run's best epoch, by {watched.metric} ({watched.mode})."
    write_whole(folder / "sweep.md", f"# Sweep of {base.name}\n\n{order}\n\n{result.markdown()}")
    write_json(folder / "sweep.json", result.records())
    return result


def plan(
    name_or_path: str | Path, grid: Mapping[str, Sequence[Any]], overrides: Sequence[str] = (), *, dev: bool = False
) -> list[Point]:
    """Return the points of a grid, whose keys may be short, each with its checked configuration.

    Raises:
        TrainingError: the recipe, a key or a value is wrong, or two keys of the grid are one.
    """
    content = read_recipe(name_or_path, overrides, dev=dev).model_dump(mode="json")
    keys = [full_key(key, content) for key in grid]
    if not grid or len(set(keys)) != len(keys):
        raise TrainingError("a grid needs keys that differ, each with its values: lr=1e-3,3e-4")
    points = []
    for values in itertools.product(*grid.values()):
        chosen = dict(zip(keys, values, strict=True))
        given = [f"{key}={json.dumps(value)}" for key, value in chosen.items()]
        points.append(Point(chosen, read_recipe(name_or_path, [*overrides, *given], dev=dev)))
    return points


def _trained(point: Point, folder: Path, from_scratch: bool, console: Console) -> Point:
    try:
        result = fit(make_recipe(point.config), folder, point.slug, from_scratch=from_scratch, console=console)
    except TrainingError as error:
        console.print(f"[red]failed:[/red] {error}", soft_wrap=True)
        return Point(point.values, point.config, error=str(error))
    return Point(point.values, point.config, metrics=result.metrics)


def _record(point: Point) -> dict[str, Any]:
    record: dict[str, Any] = {"run": point.slug, "values": point.values, "error": point.error}
    if point.metrics is not None:
        record |= {
            "data": point.metrics.data,
            "metric": point.metrics.metric,
            "validation": point.metrics.best.validation,
            "best_epoch": point.metrics.best.epoch,
            "epochs": point.metrics.epochs,
            "steps": point.metrics.steps,
            "seconds": point.metrics.seconds,
        }
    return record


def _metric_names(points: Sequence[Point]) -> list[str]:
    """Return the names of all metrics, the watched one first."""
    for point in points:
        if point.metrics is not None:
            first = point.metrics.metric
            return [first, *sorted(name for name in point.metrics.best.validation if name != first)]
    return []


def _cells(point: Point, metrics: Sequence[str]) -> list[str]:
    values = [_plain(value) for value in point.values.values()]
    if point.metrics is None:
        return [*values, *["failed"] * (len(metrics) + 3), point.slug]
    found = point.metrics
    told = [f"{found.best.validation[name]:.4f}" for name in metrics]
    return [*values, *told, str(found.best.epoch), str(found.epochs), f"{found.seconds:.1f}", point.slug]


def _plain(value: Any) -> str:
    """Return a value as a table and a folder's name take it."""
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^A-Za-z0-9.+_-]+", "-", text).strip("-")
