"""Checkpoints hold everything, load without pickle, and are whole or absent."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric
from torch import nn
from torch.optim import SGD, AdamW, Optimizer, SparseAdam

from training import checkpoints as checkpoints_module
from training.checkpoints import Checkpoints, complete, discard_partial, load_weights
from training.early_stopping import Watch
from training.errors import TrainingError
from training.reproducible import generator_states, restore_generators, seed_all
from training.run import Run
from training.state import TrainingState
from training.train import train
from training.tree import flatten, unflatten


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


class Tied(nn.Module):
    """A module with two names for one weight, a buffer, and a weight that is not contiguous."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 3, sparse=True)
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.turned = nn.Parameter(torch.randn(2, 3).T)
        self.register_buffer("count", torch.tensor(7))


def optimizers_of(module: Tied) -> list[Optimizer]:
    dense = [*module.first.parameters(), module.turned]
    return [
        AdamW([{"params": dense, "lr": 0.1}, {"params": [module.second.bias], "weight_decay": 0.0}], amsgrad=True),
        SparseAdam(list(module.table.parameters()), betas=(0.8, 0.9)),
    ]


def step(module: Tied, optimizers: list[Optimizer]) -> None:
    for optimizer in optimizers:
        optimizer.zero_grad()
    hidden = module.second(module.first(module.table(torch.tensor([1, 1, 4])))) @ module.turned  # [3, 2]
    (hidden * torch.rand(3, 2)).sum().backward()
    for optimizer in optimizers:
        optimizer.step()


def test_a_restored_module_takes_the_very_same_steps(tmp_path: Path, fabric: Fabric) -> None:
    seed_all(1)
    module = Tied()
    optimizers = optimizers_of(module)
    for _ in range(3):
        step(module, optimizers)
    state = TrainingState(step=3, epoch=1, step_in_epoch=2, sums={"loss": 0.1 + 0.2}, watch=Watch(best=1 / 3))
    Checkpoints(tmp_path, fabric).save(state, module, optimizers)
    for _ in range(4):
        step(module, optimizers)

    other = Tied()
    others = optimizers_of(other)
    restored = Checkpoints(tmp_path, fabric).restore(tmp_path / "step-00000003", other, others, seed=1)
    for _ in range(4):
        step(other, others)

    assert restored == state
    assert other.second.weight is other.first.weight
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in module.state_dict().items())
    assert others[0].state_dict()["param_groups"] == optimizers[0].state_dict()["param_groups"]


def test_no_file_of_a_checkpoint_is_a_pickle(tmp_path: Path, fabric: Fabric) -> None:
    module = Tied()
    Checkpoints(tmp_path, fabric).save(TrainingState(step=1), module, optimizers_of(module))
    assert {path.name for path in (tmp_path / "step-00000001").iterdir()} == {
        "weights.safetensors", "optimizers.safetensors", "rank-0.safetensors", "rank-0.json", "state.json",
    }  # fmt: skip


@pytest.mark.parametrize("dies_in", ["save_file", "sync", "write_json"])
@pytest.mark.parametrize("call", [1, 2])
def test_a_checkpoint_cut_short_is_never_read_and_goes_with_the_next_session(
    tmp_path: Path, fabric: Fabric, monkeypatch: pytest.MonkeyPatch, dies_in: str, call: int
) -> None:
    module = Tied()
    checkpoints = Checkpoints(tmp_path, fabric)
    checkpoints.save(TrainingState(step=1), module, optimizers_of(module))
    calls = []
    real = getattr(checkpoints_module, dies_in)

    def dying(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == call:
            raise KeyboardInterrupt
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints_module, dies_in, dying)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save(TrainingState(step=2), module, optimizers_of(module))
    assert [path.name for path in complete(tmp_path)] == ["step-00000001"]
    assert len(list(tmp_path.iterdir())) == 2
    discard_partial(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_a_removal_cut_short_leaves_no_half_checkpoint(
    tmp_path: Path, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(path: Path) -> None:
        next(path.iterdir()).unlink()
        raise KeyboardInterrupt

    module = Tied()
    checkpoints = Checkpoints(tmp_path, fabric)
    for number in (1, 2):
        checkpoints.save(TrainingState(step=number), module, optimizers_of(module))
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", dying)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save(TrainingState(step=3), module, optimizers_of(module))
    assert [path.name for path in complete(tmp_path)] == ["step-00000002", "step-00000003"]


def test_the_newest_two_and_the_best_are_kept(tmp_path: Path, fabric: Fabric) -> None:
    module = Tied()
    for number in range(1, 7):
        state = TrainingState(step=number, watch=Watch(best=1.0, best_step=2))
        Checkpoints(tmp_path, fabric).save(state, module, optimizers_of(module))
    assert [int(path.name.removeprefix("step-")) for path in complete(tmp_path)] == [2, 5, 6]


def test_damaged_and_foreign_files_are_told_by_their_name(tmp_path: Path, fabric: Fabric) -> None:
    module = Tied()
    checkpoints = Checkpoints(tmp_path, fabric)
    checkpoints.save(TrainingState(step=1), module, optimizers_of(module))
    folder = tmp_path / "step-00000001"
    with pytest.raises(TrainingError, match=r"weights\.safetensors: other weights"):
        load_weights(nn.Linear(2, 2), folder / "weights.safetensors")
    with pytest.raises(TrainingError, match="not a checkpoint of this model"):
        checkpoints.restore(folder, module, optimizers_of(module)[:1], seed=1)
    (folder / "optimizers.safetensors").write_bytes(b"half")
    with pytest.raises(TrainingError, match=r"optimizers\.safetensors: damaged.*remove the folder"):
        checkpoints.restore(folder, module, optimizers_of(module), seed=1)
    (folder / "state.json").write_text("{")
    with pytest.raises(TrainingError, match=r"state\.json cannot be read"):
        checkpoints.restore(folder, module, optimizers_of(module), seed=1)


def test_a_half_written_checkpoint_of_a_run_is_removed_when_it_goes_on(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError):
        train(toy, ["explode_at=26"], root=tmp_path)
    run = Run.find(tmp_path, "toy")
    half = run.checkpoints / ".step-00000099.partial"
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"half")
    assert (last := run.last_checkpoint()) is not None
    assert last.name == "step-00000025"
    assert train(toy, ["explode_at=26"], root=tmp_path).metrics.steps == 39  # counted from where it goes on
    assert not half.exists()


def test_generators_draw_on_where_they_were() -> None:
    seed_all(5)
    form, tensors = flatten(generator_states(torch.device("cpu")))
    drawn = random.random(), np.random.standard_normal(3).tolist(), torch.rand(3).tolist()
    restore_generators(unflatten(form, tensors), torch.device("cpu"))
    assert (random.random(), np.random.standard_normal(3).tolist(), torch.rand(3).tolist()) == drawn


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
trees = st.recursive(
    leaves,
    lambda below: (
        st.lists(below, max_size=3)
        | st.tuples(below, below)
        | st.dictionaries(st.text(), below, max_size=3)
        | st.dictionaries(st.integers(), below, max_size=3)
        | st.dictionaries(st.sampled_from(["$tensor", "$tuple", "$items"]), below, max_size=3)
    ),
    max_leaves=12,
)


@given(trees)
def test_any_nesting_survives_being_flattened(tree: Any) -> None:
    form, tensors = flatten(tree)
    assert unflatten(json.loads(json.dumps(form)), tensors) == tree


def test_tensors_keep_kind_and_place() -> None:
    tree = {0: {"a": torch.tensor(1.5), "b": (torch.arange(3), 2)}, "c": [torch.zeros(0, 2, dtype=torch.bfloat16)]}
    form, tensors = flatten(tree)
    back = unflatten(form, tensors)
    assert back[0]["a"] == torch.tensor(1.5)
    assert back[0]["b"][0].tolist() == [0, 1, 2]
    assert (back["c"][0].dtype, back["c"][0].shape) == (torch.bfloat16, (0, 2))
    assert len(tensors) == 3


def test_what_json_cannot_hold_is_refused_with_its_place() -> None:
    with pytest.raises(TrainingError, match="cannot store object at /state/0"):
        flatten({"state": [object()]})


def test_plain_sgd_without_any_state_survives(tmp_path: Path, fabric: Fabric) -> None:
    module = nn.Linear(2, 2)
    optimizer = SGD(module.parameters(), lr=0.1)
    Checkpoints(tmp_path, fabric).save(TrainingState(step=1), module, [optimizer])
    assert Checkpoints(tmp_path, fabric).restore(tmp_path / "step-00000001", module, [optimizer], 0).step == 1
