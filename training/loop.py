"""The training loop, shared by every family."""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.console import Console
from torch import nn
from torch.optim import Optimizer

from training.batches import Batches
from training.checkpoints import Checkpoints
from training.config import RecipeConfig, TrainingConfig
from training.environment import describe_environment
from training.errors import TrainingError
from training.journal import Journal
from training.progress import TrainingProgress
from training.recipe import Recipe
from training.reproducible import reproducible, seed_all
from training.run import Run
from training.schedule import rate_factor, set_rates
from training.state import EpochRecord, RunMetrics, TrainingState


@dataclass(frozen=True)
class Result:
    """What training came to."""

    run: Run
    metrics: RunMetrics
    trained: bool
    """Whether this session trained; False: the run had ended before."""

    @property
    def weights(self) -> Path:
        """The weights.safetensors of the best epoch."""
        return self.run.best_weights()


def open_fabric(config: TrainingConfig) -> Fabric:
    """Return the devices of a run, launched; with several, this process starts its siblings."""
    fabric = Fabric(accelerator=config.accelerator, devices=config.devices, precision=config.precision)
    fabric.launch()
    return fabric


def fit(
    recipe: Recipe[Any], root: Path, name: str, *, from_scratch: bool = False, console: Console | None = None
) -> Result:
    """Train a recipe in the run folder `root / name`, from its last checkpoint if it has one.

    Raises:
        TrainingError: the folder belongs to another configuration or other data, the data cannot be read, a loss or
            the watched metric is not finite.
    """
    config = recipe.config
    with reproducible(config.training.threads, config.training.deterministic):
        fabric = open_fabric(config.training)
        progress = TrainingProgress(console if fabric.is_global_zero else Console(quiet=True))
        with fabric.rank_zero_first():
            run = Run.open(root, name, config, from_scratch=from_scratch and fabric.is_global_zero)
            recipe.prepare()
            run.bind_data(recipe.fingerprint())
        fabric.barrier()
        if (metrics := run.finished()) is not None:
            progress.say(f"run {run.name} has ended: {_summary(metrics)}; train it anew with --from-scratch")
            return Result(run, metrics, trained=False)
        metrics = _train(recipe, run, fabric, progress)
        progress.say(f"run {run.name} has ended: {_summary(metrics)}")
        return Result(run, metrics, trained=True)


def _train(recipe: Recipe[Any], run: Run, fabric: Fabric, progress: TrainingProgress) -> RunMetrics:
    config, settings = recipe.config, recipe.config.training
    seed_all(config.seed, "module")
    module = recipe.module()
    optimizers = recipe.optimizers(module)
    if settings.precision == "16-mixed" and len(optimizers) > 1:
        raise TrainingError("training.precision 16-mixed scales the loss for one optimiser only; use bf16-mixed")
    wrapped, *wrapped_optimizers = fabric.setup(module, *optimizers)
    seed_all(config.seed, "rank", fabric.global_rank)

    batches = Batches(recipe, fabric.global_rank, fabric.world_size)
    steps = settings.epochs * batches.steps
    checkpoints = Checkpoints(run.checkpoints, fabric)
    state = TrainingState()
    if (last := run.last_checkpoint()) is not None:
        state = checkpoints.restore(last, module, optimizers, config.seed)
        progress.say(f"run {run.name} goes on after step {state.step} of {steps}")
    if fabric.is_global_zero:
        run.record_environment(describe_environment(fabric))
    journal = Journal(run, fabric, progress, state.step)
    before, began = state.seconds, time.monotonic()

    with progress.run(steps, state.step), journal:
        while state.epoch < settings.epochs and not state.watch.exhausted(settings.early_stopping):
            wrapped.train()
            with closing(batches.epoch(state.epoch, skip=state.step_in_epoch)) as shares:
                for share in shares:
                    rate = rate_factor(state.step, steps, settings)
                    set_rates(optimizers, rate)
                    for optimizer in optimizers:
                        optimizer.zero_grad()
                    objective = recipe.objective(wrapped, fabric.to_device(share.batch))
                    fabric.backward(objective.loss * share.weight)
                    for optimizer in wrapped_optimizers:
                        _clip(fabric, wrapped, optimizer, settings.clip_norm)
                        optimizer.step()

                    state.step += 1
                    state.step_in_epoch += 1
                    journal.take(objective, share.weight)
                    journal.show(f"{state.epoch + 1}/{settings.epochs}", state.step, share.rows)
                    ends_epoch = state.step_in_epoch == batches.steps
                    saves = _every(settings.checkpoint_every_steps, state.step) and not ends_epoch
                    if _every(settings.log_every_steps, state.step) or saves or ends_epoch:
                        journal.settle(state, rate)
                    if saves:
                        state.seconds = before + time.monotonic() - began
                        checkpoints.save(state, module, optimizers)

            record = _validated(recipe, wrapped, fabric, state, rate_factor(state.step - 1, steps, settings))
            state.history.append(record)
            state.epoch, state.step_in_epoch, state.sums = record.epoch, 0, {}
            best = state.watch.observe(settings.early_stopping, record.validation, record.epoch, record.step)
            state.seconds = before + time.monotonic() - began
            journal.epoch(record, settings.epochs, best)
            checkpoints.save(state, module, optimizers)
            if fabric.is_global_zero:
                run.record_metrics(_metrics(config, run, module, state, stopped=None))

    metrics = _metrics(config, run, module, state, "epochs" if state.epoch == settings.epochs else "early")
    if fabric.is_global_zero:
        run.record_metrics(metrics)
    fabric.barrier()
    return metrics


def _clip(fabric: Fabric, module: nn.Module, optimizer: Optimizer, norm: float) -> None:
    gradients = [parameter.grad for group in optimizer.param_groups for parameter in group["params"]]
    # Sparse gradients have no norm in torch, and the Adam they are for does not depend on their scale.
    if norm and not any(gradient is not None and gradient.is_sparse for gradient in gradients):
        # A gradient that is not finite shows as the next loss, which the journal names by its step.
        fabric.clip_gradients(module, optimizer, max_norm=norm, error_if_nonfinite=False)


def _validated(
    recipe: Recipe[Any], module: nn.Module, fabric: Fabric, state: TrainingState, rate: float
) -> EpochRecord:
    module.eval()
    with torch.no_grad():
        metrics = recipe.validate(module, fabric)
    names = sorted(metrics)
    values = torch.tensor([metrics[name] for name in names], dtype=torch.float64)
    means = fabric.all_reduce(values, reduce_op="mean")  # [metrics], the same decision in every process
    assert isinstance(means, torch.Tensor)
    return EpochRecord(
        epoch=state.epoch + 1,
        step=state.step,
        train={name: total / state.step_in_epoch for name, total in state.sums.items()},
        validation=dict(zip(names, means.tolist(), strict=True)),
        learning_rate_factor=rate,
    )


def _metrics(config: RecipeConfig, run: Run, module: nn.Module, state: TrainingState, stopped: Any) -> RunMetrics:
    watched = config.training.early_stopping
    return RunMetrics(
        name=config.name,
        family=config.family,
        data=run.data().description,
        metric=watched.metric,
        mode=watched.mode,
        best=state.history[state.watch.best_epoch - 1],
        stopped=stopped,
        epochs=state.epoch,
        steps=state.step,
        parameters=sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad),
        seconds=state.seconds,
        history=state.history,
    )


def _every(steps: int, step: int) -> bool:
    return steps > 0 and step % steps == 0


def _summary(metrics: RunMetrics) -> str:
    reason = "patience ran out" if metrics.stopped == "early" else "all epochs are done"
    return f"{reason}; best {metrics.metric} {metrics.value:.4f} in epoch {metrics.best.epoch} of {metrics.epochs}"
