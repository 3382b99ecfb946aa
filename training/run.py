"""The run folder: everything that one training run leaves behind.

runs/<name>/
  config.yaml        the recipe as resolved: YAML, dev section and overrides together
  data.json          fingerprint of the data
  environment.json   versions and machine of the latest session
  metrics.json       history, best epoch, time, why it ended
  checkpoints/       see training.checkpoints
  tensorboard/       curves
  report/            what evaluation writes
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import ValidationError

from training.checkpoints import WEIGHTS_FILE, complete, discard_partial, folder_of
from training.config import HARMLESS, RecipeConfig
from training.errors import TrainingError
from training.files import read_json, write_json, write_whole
from training.recipe import Fingerprint
from training.state import RunMetrics

CONFIG_FILE, DATA_FILE, METRICS_FILE, ENVIRONMENT_FILE = "config.yaml", "data.json", "metrics.json", "environment.json"


def runs_root() -> Path:
    """Return the folder of all runs: `JUBAKO_RUNS_DIR`, or `runs` in the working directory."""
    return Path(os.environ.get("JUBAKO_RUNS_DIR") or "runs")


@dataclass(frozen=True)
class Run:
    """One run folder."""

    folder: Path

    @classmethod
    def open(cls, root: Path, name: str, config: RecipeConfig, *, from_scratch: bool = False) -> Self:
        """Start a run, or return to one that was started with the same configuration.

        Raises:
            TrainingError: the folder is something else, or a run with another configuration; the message names the
                keys that differ.
        """
        run = cls(root / name)
        if run.folder.exists() and not run.is_run and any(run.folder.iterdir()):
            raise TrainingError(f"{run.folder} is not a run folder and is not empty; choose another with --run NAME")
        if run.is_run and from_scratch:
            run._empty()
        if run.is_run:
            run._check_same("configuration", _read_yaml(run.folder / CONFIG_FILE), config.model_dump(mode="json"))
        run.checkpoints.mkdir(parents=True, exist_ok=True)
        discard_partial(run.checkpoints)
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        write_whole(run.folder / CONFIG_FILE, text)
        return run

    @classmethod
    def find(cls, root: Path, name: str) -> Self:
        """Return a run that exists, to evaluate or export it.

        Raises:
            TrainingError: there is none; the message names those there are.
        """
        run = cls(root / name)
        if not run.is_run:
            known = sorted(path.parent.name for path in root.glob(f"*/{CONFIG_FILE}"))
            raise TrainingError(
                f"no run {name!r} in {root} (runs there: {', '.join(known) or 'none'}); start it: jubako train {name}"
            )
        return run

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def is_run(self) -> bool:
        """Whether the folder holds a run's configuration."""
        path = self.folder / CONFIG_FILE
        return path.is_file() and {"name", "family", "training"} <= _read_yaml(path).keys()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Folder of the curves."""
        return self.folder / "tensorboard"

    @property
    def report(self) -> Path:
        """Folder of the evaluation's report."""
        return self.folder / "report"

    @property
    def config_file(self) -> Path:
        """The resolved recipe, which `training.recipes.read_recipe` reads."""
        return self.folder / CONFIG_FILE

    def bind_data(self, data: Fingerprint) -> None:
        """Record the data at the start of a run, and hold later sessions to it.

        Raises:
            TrainingError: the run was started on other data; the message says what differs.
        """
        path = self.folder / DATA_FILE
        if path.exists():
            self._check_same("data", read_json(path), data.model_dump(mode="json"))
        else:
            write_json(path, data.model_dump(mode="json"))

    def data(self) -> Fingerprint:
        """Return the recorded data.

        Raises:
            TrainingError: the run has not come that far, or the file is damaged.
        """
        return Fingerprint.model_validate(read_json(self.folder / DATA_FILE))

    def record_environment(self, environment: dict[str, Any]) -> None:
        """Write which versions and machine the session runs on."""
        write_json(self.folder / ENVIRONMENT_FILE, environment)

    def record_metrics(self, metrics: RunMetrics) -> None:
        """Replace metrics.json."""
        write_json(self.folder / METRICS_FILE, metrics.model_dump(mode="json"))

    def metrics(self) -> RunMetrics | None:
        """Return what the run has come to; None before its first epoch is done.

        Raises:
            TrainingError: metrics.json is damaged.
        """
        path = self.folder / METRICS_FILE
        if not path.exists():
            return None
        try:
            return RunMetrics.model_validate(read_json(path))
        except ValidationError as error:
            raise TrainingError(f"{path} cannot be read ({error}); train again with --from-scratch") from error

    def finished(self) -> RunMetrics | None:
        """Return the metrics of a run that has ended; None while there is something left to train."""
        metrics = self.metrics()
        return metrics if metrics is not None and metrics.stopped is not None else None

    def last_checkpoint(self) -> Path | None:
        """Return the newest complete checkpoint."""
        return next(reversed(complete(self.checkpoints)), None)

    def best_weights(self) -> Path:
        """Return the weights.safetensors of the best epoch.

        Raises:
            TrainingError: no epoch is done, or the checkpoint was removed.
        """
        metrics = self.metrics()
        path = folder_of(self.checkpoints, metrics.best.step) / WEIGHTS_FILE if metrics else None
        if path is None or not path.is_file():
            raise TrainingError(f"run {self.name} has no weights yet; finish it: jubako train {self.name}")
        return path

    def _check_same(self, what: str, stored: dict[str, Any], given: dict[str, Any]) -> None:
        before, after = _leaves(stored), _leaves(given)
        differing = [key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)]
        if told := [f"{key} ({before.get(key)} -> {after.get(key)})" for key in differing if key not in HARMLESS]:
            raise TrainingError(
                f"run {self.name} was started with another {what}: {', '.join(told)}; "
                f"begin it anew with --from-scratch, or keep it and train beside it with --run NAME"
            )

    def _empty(self) -> None:
        """Remove what the folder holds, the configuration last: until then it remains a run folder."""
        for path in sorted(self.folder.iterdir(), key=lambda path: path.name == CONFIG_FILE):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise TrainingError(f"{path} cannot be read ({error})") from error
    return content if isinstance(content, dict) else {}


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Return the values of a nested dict by their dotted path."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    return {
        key: leaf
        for name, item in value.items()
        for key, leaf in _leaves(item, f"{path}.{name}" if path else name).items()
    }
