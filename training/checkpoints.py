"""Checkpoints: a folder for each, whole or absent, without pickle.

    checkpoints/step-00001234/
      weights.safetensors      every parameter and buffer of the module
      optimizers.safetensors   the tensors of the optimisers' states
      rank-0.safetensors       the tensors of the random generators' states, one file per process
      rank-0.json              the rest of those
      state.json               progress, history, the rest of the optimisers' states, the loss scaler

A checkpoint is written under a hidden name and renamed when all of it is on the disk: one that a kill cut short keeps
the hidden name, is never read, and goes with the next session.
"""

import shutil
from pathlib import Path

from lightning_fabric import Fabric
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from training.errors import TrainingError
from training.files import read_json, sync, write_json
from training.reproducible import generator_states, restore_generators, seed_all
from training.state import TrainingState
from training.tree import flatten, stored, unflatten

WEIGHTS_FILE = "weights.safetensors"
OPTIMIZERS_FILE = "optimizers.safetensors"
STATE_FILE = "state.json"
KEPT = 2
"""Checkpoints that stay, newest first, beside the best."""


class Checkpoints:
    """The checkpoints of one run, as one of the processes that train it sees them."""

    def __init__(self, folder: Path, fabric: Fabric) -> None:
        self.folder = folder
        self._fabric = fabric

    def save(self, state: TrainingState, module: nn.Module, optimizers: list[Optimizer]) -> None:
        """Write a checkpoint, then remove those that are neither among the newest nor the best."""
        fabric, final = self._fabric, folder_of(self.folder, state.step)
        partial = final.with_name(f".{final.name}.partial")
        if fabric.is_global_zero:
            discard_partial(self.folder)
            partial.mkdir(parents=True)
            forms, tensors = flatten([optimizer.state_dict() for optimizer in optimizers])
            scaler = fabric.strategy.precision.state_dict()
            _save(tensors, partial / OPTIMIZERS_FILE)
            _save({name: stored(tensor) for name, tensor in module.state_dict().items()}, partial / WEIGHTS_FILE)
            content = {"state": state.model_dump(mode="json"), "optimizers": forms, "scaler": scaler}
            write_json(partial / STATE_FILE, content)
        fabric.barrier()
        form, tensors = flatten(generator_states(fabric.device))
        _save(tensors, partial / f"rank-{fabric.global_rank}.safetensors")
        write_json(partial / f"rank-{fabric.global_rank}.json", form)
        fabric.barrier()
        if fabric.is_global_zero:
            if final.exists():
                _remove(final)
            partial.rename(final)
            sync(self.folder)
            self._thin_out(state.watch.best_step)
        fabric.barrier()

    def restore(self, folder: Path, module: nn.Module, optimizers: list[Optimizer], seed: int) -> TrainingState:
        """Put module, optimisers and random generators into a checkpoint's state.

        Raises:
            TrainingError: a file is damaged or does not belong to this module; the message names it.
        """
        load_weights(module, folder / WEIGHTS_FILE)
        content = read_json(folder / STATE_FILE)
        try:
            forms = unflatten(content["optimizers"], _load(folder / OPTIMIZERS_FILE))
            for optimizer, form in zip(optimizers, forms, strict=True):
                optimizer.load_state_dict(form)
            self._fabric.strategy.precision.load_state_dict(content["scaler"])
            state = TrainingState.model_validate(content["state"])
        except (KeyError, ValueError, ValidationError) as error:
            raise TrainingError(
                f"{folder}: not a checkpoint of this model ({error}); train with --from-scratch"
            ) from error
        self._restore_generators(folder, seed, state.step)
        return state

    def _restore_generators(self, folder: Path, seed: int, step: int) -> None:
        rank = self._fabric.global_rank
        if not (folder / f"rank-{rank}.json").is_file():
            seed_all(seed, "rank", rank, step)  # the run goes on with more processes than it had
            return
        form = read_json(folder / f"rank-{rank}.json")
        restore_generators(unflatten(form, _load(folder / f"rank-{rank}.safetensors")), self._fabric.device)

    def _thin_out(self, best_step: int) -> None:
        best = folder_of(self.folder, best_step)
        for folder in complete(self.folder)[:-KEPT]:
            if folder != best:
                _remove(folder)


def folder_of(folder: Path, step: int) -> Path:
    """Return the folder of the checkpoint that follows a step."""
    return folder / f"step-{step:08d}"


def complete(folder: Path) -> list[Path]:
    """Return the complete checkpoints, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def discard_partial(folder: Path) -> None:
    """Remove checkpoints whose writing or removal was cut short."""
    for path in folder.glob(".step-*"):
        shutil.rmtree(path)


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a weights.safetensors into a module.

    Raises:
        TrainingError: the file is damaged or holds other weights than the module's; the message names it.
    """
    try:
        module.load_state_dict(_load(path))
    except RuntimeError as error:
        raise TrainingError(
            f"{path}: other weights than this model has ({error}); train with --from-scratch"
        ) from error


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    save_file(tensors, path)
    sync(path)


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        damaged = f"{path}: damaged ({error}); remove the folder {path.parent} to go on from the checkpoint before it"
        raise TrainingError(damaged) from error


def _remove(folder: Path) -> None:
    """Remove a checkpoint so that a kill on the way leaves no half of it under its name."""
    hidden = folder.with_name(f".{folder.name}.removed")
    folder.rename(hidden)
    shutil.rmtree(hidden)
