"""A killed run ends as one that was left alone; a seed fixes every bit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.toy import KILL_AT
from training.checkpoints import complete
from training.errors import TrainingError
from training.run import Run
from training.train import train

CHILD = """
import sys
from pathlib import Path
from tests.training.toy import FAMILY
from training.recipes import FAMILIES
from training.train import train

if __name__ == "__main__":
    FAMILIES["toy"] = FAMILY
    train(sys.argv[1], sys.argv[3:], root=Path(sys.argv[2]), run_name="child")
"""


def run_child(
    toy: Path, root: Path, *overrides: str, repository: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Train in a process of its own, which may kill itself; a script, for Fabric starts siblings by its name."""
    script = toy.parent / "child.py"
    script.write_text(CHILD)
    return subprocess.run(
        [sys.executable, str(script), str(toy), str(root), *overrides],
        env=os.environ | {"PYTHONPATH": str(repository)} | environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_run_killed_mid_epoch_ends_like_one_that_was_left_alone(toy: Path, tmp_path: Path, repository: Path) -> None:
    whole = train(toy, root=tmp_path / "whole")

    killed = run_child(toy, tmp_path, repository=repository, **{KILL_AT: "23"})  # epoch 2 of 13 steps, in its 10th
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [path.name for path in complete(tmp_path / "child" / "checkpoints")][-1] == "step-00000020"
    resumed = train(toy, root=tmp_path, run_name="child")

    ignoring_time = {"seconds"}
    assert resumed.metrics.model_dump(exclude=ignoring_time) == whole.metrics.model_dump(exclude=ignoring_time)
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    last = [path / "optimizers.safetensors" for run in (resumed.run, whole.run) if (path := run.last_checkpoint())]
    assert last[0].read_bytes() == last[1].read_bytes()


def test_resuming_costs_nothing_of_what_the_generators_had_drawn(toy: Path, tmp_path: Path) -> None:
    whole = train(toy, root=tmp_path / "whole")
    with pytest.raises(TrainingError, match="step 32 "):
        train(toy, ["explode_at=32"], root=tmp_path, run_name="broken")
    mended = tmp_path / "broken" / "config.yaml"
    mended.write_text(mended.read_text().replace("explode_at: 32", "explode_at: 0"))
    resumed = train(toy, root=tmp_path, run_name="broken")
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()


def test_two_runs_with_one_seed_give_the_same_bits_and_another_seed_does_not(toy: Path, tmp_path: Path) -> None:
    first, second = train(toy, root=tmp_path / "a"), train(toy, root=tmp_path / "b")
    other = train(toy, ["seed=1"], root=tmp_path / "c")
    assert first.weights.read_bytes() == second.weights.read_bytes()
    assert first.weights.read_bytes() != other.weights.read_bytes()


def test_batches_made_ahead_are_the_same_batches(toy: Path, tmp_path: Path) -> None:
    ahead = train(toy, ["training.prefetch_batches=3"], root=tmp_path / "a")
    at_once = train(toy, ["training.prefetch_batches=0"], root=tmp_path / "b")
    assert ahead.weights.read_bytes() == at_once.weights.read_bytes()


def test_two_processes_share_each_batch_and_learn_what_one_learns(toy: Path, tmp_path: Path, repository: Path) -> None:
    # 35 rows in steps of 8: the last step has two rows for one process and one for the other.
    # Noise, dropout and sparse rows differ between processes; without them the gradients are the same up to rounding.
    settings = ["quiet=true", "data.rows=35", "training.epochs=2"]
    alone = train(toy, settings, root=tmp_path / "alone")
    shared = run_child(toy, tmp_path, *settings, "training.devices=2", repository=repository)
    assert shared.returncode == 0, shared.stderr
    metrics = Run.find(tmp_path, "child").metrics()
    assert metrics is not None
    assert metrics.best.validation["loss"] == pytest.approx(alone.metrics.best.validation["loss"], abs=1e-4)
    assert metrics.history[-1].train["loss"] == pytest.approx(alone.metrics.history[-1].train["loss"], abs=1e-4)
    assert (tmp_path / "child" / "checkpoints" / "step-00000010" / "rank-1.json").is_file()
