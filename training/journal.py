"""What a run tells while it trains: losses checked and summed, curves written, progress shown."""

import math
from typing import Any, Self

import torch
from lightning_fabric import Fabric
from torch import Tensor

from training.errors import TrainingError
from training.progress import TrainingProgress
from training.recipe import Objective
from training.run import Run
from training.state import EpochRecord, TrainingState


class Journal:
    """Collects the losses of steps on the device and reads them together, so that steps need not wait for it.

    Only rank zero writes; the losses are means over all processes.
    """

    def __init__(self, run: Run, fabric: Fabric, progress: TrainingProgress, first_step: int) -> None:
        self._fabric = fabric
        self._progress = progress
        self._writer = _writer(run, first_step) if fabric.is_global_zero else None
        self._names: tuple[str, ...] = ()
        self._pending: list[Tensor] = []  # each [1 + parts]
        self._loss: float | None = None

    def take(self, objective: Objective, weight: float) -> None:
        """Keep a step's loss and parts until the next `settle`."""
        self._names = ("loss", *objective.parts)
        values = [objective.loss, *objective.parts.values()]
        self._pending.append(torch.stack([value.detach().float() for value in values]) * weight)

    def show(self, epoch: str, step: int, rows: int) -> None:
        """Show a finished step."""
        self._progress.step(epoch, step, rows, self._loss)

    def settle(self, state: TrainingState, rate: float) -> None:
        """Add the losses of the steps since the last call to the epoch's sums and draw their mean.

        Raises:
            TrainingError: one of them is not finite; the message names the step.
        """
        if not self._pending:
            return
        values = self._fabric.all_reduce(torch.stack(self._pending), reduce_op="mean")  # [steps, 1 + parts]
        assert isinstance(values, Tensor)
        rows: list[list[float]] = values.tolist()
        self._pending = []
        first = state.step - len(rows) + 1
        for at, row in enumerate(rows):
            if not all(map(math.isfinite, row)):
                told = ", ".join(f"{name} {value}" for name, value in zip(self._names, row, strict=True))
                raise TrainingError(
                    f"step {first + at} (epoch {state.epoch + 1}): {told}; lower training.learning_rate, or set "
                    f"training.clip_norm; with other settings, train with --from-scratch"
                )
            for name, value in zip(self._names, row, strict=True):
                state.sums[name] = state.sums.get(name, 0.0) + value
        means = values.mean(dim=0).tolist()  # [1 + parts]
        self._loss = means[0]
        self._draw("train", dict(zip(self._names, means, strict=True)), state.step)
        self._draw("train", {"learning_rate_factor": rate, "rows_per_s": self._progress.rows_per_s}, state.step)

    def epoch(self, record: EpochRecord, epochs: int, best: bool) -> None:
        """Tell an epoch's metrics."""
        self._draw("validation", record.validation, record.step)
        if self._writer is not None:
            metrics = "  ".join(f"{name} {value:.4f}" for name, value in record.validation.items())
            mark = "  [green]best[/green]" if best else ""
            self._progress.say(f"epoch {record.epoch}/{epochs}  train loss {record.train['loss']:.4f}  {metrics}{mark}")
            self._writer.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def _draw(self, group: str, values: dict[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f"{group}/{name}", value, step)


def _writer(run: Run, first_step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    # Points of a session that was killed after its last checkpoint are purged: this session draws them again.
    return SummaryWriter(str(run.tensorboard), purge_step=first_step + 1)
