"""What a trained model has shown: its floors, and the figures of its evaluation for the manifest."""

import json
from collections.abc import Mapping, Sequence

from bundle.manifest import TaskMetric
from export.errors import ExportError
from training.report.write import JSON_FILE
from training.run import Run


def refuse_below(floors: Mapping[str, float], figures: Sequence[TaskMetric], key: str) -> None:
    """Refuse a model that is not good enough to be served; `key` is where its floors stand in the recipe.

    Raises:
        ExportError: naming the figure and its floor.
    """
    for figure in figures:
        if not figure.value >= (floor := floors[figure.name]):
            raise ExportError(
                f"{figure.name} is {figure.value:.4f}, below its floor of {floor:g} ({figure.protocol}); train it "
                f"better, or lower {key}.{figure.name.replace('@', '_at_')}"
            )


def tested(run: Run, names: Sequence[str]) -> list[TaskMetric]:
    """Return figures of the test rows, when the run has been evaluated since it was trained."""
    path = run.report / JSON_FILE
    if not path.is_file() or path.stat().st_mtime < run.best_weights().stat().st_mtime:
        return []
    report = json.loads(path.read_text())
    found = report["candidates"][report["model"]]["intervals"]
    return [TaskMetric(name=f"test_{name}", value=found[name]["value"], protocol=report["protocol"]) for name in names]
