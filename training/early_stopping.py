"""The watched metric: which epoch is the best, and when to stop waiting for a better one."""

import math
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from training.config import EarlyStoppingConfig
from training.errors import TrainingError


class Watch(BaseModel):
    """What has been seen of the watched metric; stored in every checkpoint."""

    model_config = ConfigDict(extra="forbid")

    best: float | None = None
    """Best value so far."""
    best_epoch: int = 0
    """Epoch of it, counted from 1."""
    best_step: int = 0
    """Step at the end of that epoch: the number of its checkpoint."""
    reference: float | None = None
    """Value that has to be beaten by `min_delta` for the patience to start anew."""
    waited_epochs: int = 0
    """Epochs since the reference was beaten."""

    def observe(self, config: EarlyStoppingConfig, metrics: Mapping[str, float], epoch: int, step: int) -> bool:
        """Take in an epoch's metrics; return whether it is the best so far.

        Raises:
            TrainingError: the watched metric is missing or not a number.
        """
        value = self._watched(config, metrics, epoch)
        sign = 1 if config.mode == "max" else -1
        if self.reference is None or sign * (value - self.reference) > config.min_delta:
            self.reference, self.waited_epochs = value, 0
        else:
            self.waited_epochs += 1
        if self.best is not None and sign * (value - self.best) <= 0:
            return False
        self.best, self.best_epoch, self.best_step = value, epoch, step
        return True

    def exhausted(self, config: EarlyStoppingConfig) -> bool:
        """Whether the patience has run out."""
        return 0 < config.patience_epochs <= self.waited_epochs

    @staticmethod
    def _watched(config: EarlyStoppingConfig, metrics: Mapping[str, float], epoch: int) -> float:
        if config.metric not in metrics:
            raise TrainingError(
                f"training.early_stopping.metric is {config.metric!r}, which validation does not compute; "
                f"it computes: {', '.join(sorted(metrics))}"
            )
        value = metrics[config.metric]
        if not math.isfinite(value):
            raise TrainingError(f"validation metric {config.metric} is {value} after epoch {epoch}")
        return value
