"""The learning rate's course, a pure function of the step, so that a checkpoint has no schedule to store."""

import math
from collections.abc import Iterable

from torch.optim import Optimizer

from training.config import TrainingConfig


def rate_factor(step: int, steps: int, config: TrainingConfig) -> float:
    """Return the share of the peak learning rate at a step, 0-based, of `steps` in all; in (0, 1]."""
    warmup = math.ceil(config.warmup_share * steps)
    if step < warmup:
        return (step + 1) / warmup
    remaining = (steps - step) / (steps - warmup)
    if config.schedule == "linear":
        return remaining
    if config.schedule == "cosine":
        return (1 - math.cos(math.pi * remaining)) / 2
    return 1.0


def set_rates(optimizers: Iterable[Optimizer], factor: float) -> None:
    """Scale every parameter group's learning rate from the peak it was made with."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
