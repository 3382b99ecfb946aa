"""The loop trains, keeps the best epoch, stops early, and refuses what it should."""

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch.optim import SGD

from tests.training.toy import ToyModule
from training.batches import Batches, ahead
from training.checkpoints import load_weights
from training.config import EarlyStoppingConfig, TrainingConfig
from training.early_stopping import Watch
from training.errors import TrainingError
from training.loop import Result
from training.progress import TrainingProgress
from training.recipes import make_recipe, read_recipe
from training.reproducible import generator_of
from training.run import Run, runs_root
from training.schedule import rate_factor, set_rates
from training.train import train


def test_training_learns_and_leaves_a_whole_run_folder(toy: Path, tmp_path: Path) -> None:
    result = train(toy, ["training.epochs=8"], root=tmp_path)
    history = result.metrics.history
    assert result.trained
    assert result.metrics.stopped == "epochs"
    assert history[-1].validation["loss"] < history[0].validation["loss"] - 0.05
    assert result.metrics.value == min(record.validation["loss"] for record in history)
    assert history[0].train["twice"] == pytest.approx(2 * history[0].train["loss"])
    assert result.metrics.parameters == sum(parameter.numel() for parameter in ToyModule(4, 0.0).parameters())
    found = {path.name for path in result.run.folder.iterdir()}
    assert found == {"config.yaml", "data.json", "environment.json", "metrics.json", "checkpoints", "tensorboard"}
    assert "torch" in json.loads((result.run.folder / "environment.json").read_text())["versions"]
    assert list(result.run.tensorboard.iterdir())
    load_weights(ToyModule(4, 0.0), result.weights)


def test_the_best_epoch_outlives_the_newest_ones(toy: Path, tmp_path: Path) -> None:
    worst = ["training.early_stopping.mode=max", "training.epochs=6", "quiet=true"]  # the first loss is the largest
    result = train(toy, worst, root=tmp_path)
    kept = sorted(path.name for path in result.run.checkpoints.iterdir())
    assert result.metrics.best.epoch == 1
    assert kept == ["step-00000013", "step-00000075", "step-00000078"]


def test_patience_ends_a_run_and_an_ended_run_stays_ended(toy: Path, tmp_path: Path) -> None:
    patient = ["training.early_stopping={mode: max, patience_epochs: 2}", "training.epochs=9", "quiet=true"]
    result = train(toy, patient, root=tmp_path)
    assert (result.metrics.stopped, result.metrics.epochs) == ("early", 3)
    (result.run.folder / "metrics.json").unlink()  # killed between the last checkpoint and its metrics
    again = train(toy, patient, root=tmp_path)
    assert again.metrics == result.metrics


def test_a_finished_run_is_not_trained_again(toy: Path, tmp_path: Path) -> None:
    first = train(toy, root=tmp_path)
    said = io.StringIO()
    second = train(toy, root=tmp_path, console=Console(file=said, width=200))
    assert second == Result(first.run, first.metrics, trained=False)
    assert "has ended" in said.getvalue()
    assert train(toy, root=tmp_path, from_scratch=True).trained


def test_other_settings_and_other_data_are_refused_by_name(toy: Path, tmp_path: Path) -> None:
    train(toy, root=tmp_path)
    with pytest.raises(TrainingError, match=r"training\.learning_rate \(0\.02 -> 0\.5\).*--from-scratch.*--run NAME"):
        train(toy, ["training.learning_rate=0.5"], root=tmp_path)
    config = tmp_path / "toy" / "config.yaml"
    config.write_text(config.read_text().replace("  seed: 3", "  seed: 4"))
    with pytest.raises(TrainingError, match=r"another data: description \(toy, seed 3 -> toy, seed 4\), sha256"):
        train(toy, ["data.seed=4"], root=tmp_path)


def test_settings_that_do_not_change_what_is_learnt_may_change(toy: Path, tmp_path: Path) -> None:
    train(toy, root=tmp_path)
    assert not train(toy, ["training.log_every_steps=7", "training.checkpoint_every_steps=0"], root=tmp_path).trained


def test_a_folder_that_is_no_run_is_never_emptied(toy: Path, tmp_path: Path) -> None:
    precious = tmp_path / "toy" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years")
    with pytest.raises(TrainingError, match="is not a run folder"):
        train(toy, root=tmp_path, from_scratch=True)
    assert precious.read_text() == "years"


def test_starting_from_scratch_leaves_nothing_behind(toy: Path, tmp_path: Path) -> None:
    config = read_recipe(toy)
    run = Run.open(tmp_path, "toy", config)
    run.report.mkdir()
    (run.report / "old.md").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (run.folder / "link").symlink_to(tmp_path / "elsewhere")
    Run.open(tmp_path, "toy", config, from_scratch=True)
    assert {path.name for path in run.folder.iterdir()} == {"config.yaml", "checkpoints"}
    assert (tmp_path / "elsewhere" / "kept").exists()


def test_a_loss_that_is_no_number_names_its_step(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"step 18 \(epoch 2\): loss nan, twice nan"):
        train(toy, ["explode_at=18", "training.log_every_steps=50"], root=tmp_path)
    run = Run.find(tmp_path, "toy")
    assert (last := run.last_checkpoint()) is not None
    assert last.name == "step-00000015"
    assert run.finished() is None


def test_an_unknown_watched_metric_is_told_with_those_there_are(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="'f1', which validation does not compute; it computes: accuracy, loss"):
        train(toy, ["training.early_stopping.metric=f1"], root=tmp_path)


def test_an_unknown_run_is_told_with_those_there_are(toy: Path, tmp_path: Path) -> None:
    train(toy, ["training.epochs=1"], root=tmp_path)
    with pytest.raises(TrainingError, match=r"no run 'papers'.*runs there: toy.*jubako train papers"):
        Run.find(tmp_path, "papers")


def test_runs_lie_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert runs_root() == Path("runs")
    monkeypatch.setenv("JUBAKO_RUNS_DIR", str(tmp_path))
    assert runs_root() == tmp_path


def test_bf16_trains_and_weights_stay_fp32(toy: Path, tmp_path: Path) -> None:
    result = train(toy, ["training.precision=bf16-mixed", "training.epochs=1"], root=tmp_path)
    module = ToyModule(4, 0.0)
    load_weights(module, result.weights)
    assert all(parameter.dtype == torch.float32 for parameter in module.parameters())


def test_the_global_state_of_torch_is_given_back(toy: Path, tmp_path: Path) -> None:
    torch.use_deterministic_algorithms(False)
    train(toy, ["training.epochs=1"], root=tmp_path)
    assert not torch.are_deterministic_algorithms_enabled()


def test_every_row_is_in_one_share_of_every_epoch_whoever_shares(toy: Path) -> None:
    recipe = make_recipe(read_recipe(toy, ["data.rows=33", "quiet=true"]))
    recipe.prepare()
    for world in (1, 2, 3, 9):
        ranks = [list(Batches(recipe, rank, world).epoch(0)) for rank in range(world)]
        seen = [row for shares in ranks for share in shares if share.weight for row in share.batch["numbers"].tolist()]
        assert sorted(seen) == sorted(recipe.numbers[:33].tolist())  # type: ignore[attr-defined]
        for step in zip(*ranks, strict=True):
            assert sum(share.weight for share in step) == pytest.approx(world)


def test_an_epoch_resumed_after_any_step_yields_the_rest(toy: Path) -> None:
    recipe = make_recipe(read_recipe(toy))
    recipe.prepare()
    batches = Batches(recipe)
    whole = [share.batch["numbers"] for share in batches.epoch(2)]
    for skip in range(len(whole) + 1):
        rest = [share.batch["numbers"] for share in batches.epoch(2, skip)]
        assert len(rest) == len(whole) - skip
        assert all(torch.equal(a, b) for a, b in zip(rest, whole[skip:], strict=True))
    assert not torch.equal(whole[0], next(batches.epoch(1)).batch["numbers"])


def test_an_error_while_preparing_ahead_reaches_the_loop() -> None:
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda number: 1 // (3 - number), range(9), depth=2))
    assert list(ahead(str, range(9), depth=20)) == list(map(str, range(9)))


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_the_rate_rises_to_its_peak_once_and_never_rises_again(schedule: str, warmup: float) -> None:
    config = TrainingConfig.model_validate({"schedule": schedule, "warmup_share": warmup})
    factors = [rate_factor(step, 40, config) for step in range(40)]
    peak = factors.index(1.0)
    assert peak == (9 if warmup else 0)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[-1] == 1 if schedule == "constant" else factors[-1] < 0.05


def test_the_optimisers_follow_the_schedule(toy: Path, tmp_path: Path) -> None:
    result = train(toy, root=tmp_path)
    last = result.run.last_checkpoint()
    assert last is not None
    forms = json.loads((last / "state.json").read_text())["optimizers"]
    factor = rate_factor(38, 39, read_recipe(toy).training)
    assert [form["param_groups"][0]["lr"] for form in forms] == [0.02 * factor] * 2


def test_every_group_keeps_its_own_peak() -> None:
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = SGD([{"params": [weights[0]], "lr": 1.0}, {"params": [weights[1]], "lr": 0.1}])
    for factor in (0.5, 1.0, 0.2):
        set_rates([optimizer], factor)
        assert [group["lr"] for group in optimizer.param_groups] == [factor, 0.1 * factor]


def test_small_gains_make_the_best_but_do_not_renew_the_patience() -> None:
    config = EarlyStoppingConfig(metric="f1", mode="max", patience_epochs=2, min_delta=0.1)
    watch = Watch()
    told = [watch.observe(config, {"f1": value}, at, at * 10) for at, value in enumerate((0.5, 0.55, 0.58), start=1)]
    assert told == [True, True, True]
    assert watch.exhausted(config)
    assert (watch.best, watch.best_epoch, watch.best_step) == (0.58, 3, 30)
    with pytest.raises(TrainingError, match="f1 is nan after epoch 4"):
        watch.observe(config, {"f1": float("nan")}, 4, 40)


def test_without_a_terminal_progress_is_a_line_every_few_seconds() -> None:
    said, now = io.StringIO(), [0.0]
    progress = TrainingProgress(Console(file=said, width=200), clock=lambda: now[0])
    with progress.run(steps=100, first_step=40):
        for step in range(41, 61):
            now[0] += 1.0
            progress.step("1/2", step, 10, 0.5)
    lines = said.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[0] == "epoch 1/2  step 45/100  loss 0.5000  10 rows/s  ETA 0:00:55"


def test_generators_are_functions_of_their_parts() -> None:
    draws = {
        torch.randint(10**9, (), generator=generator_of(*parts)).item() for parts in ((1, "a"), (1, "b"), (2, "a"))
    }
    assert len(draws) == 3
    assert torch.rand((), generator=generator_of(1, "a")) == torch.rand((), generator=generator_of(1, "a"))
