"""A sweep trains every combination once and compares them."""

import json
from pathlib import Path

import pytest

from training.errors import TrainingError
from training.sweep import plan, sweep


def test_a_sweep_trains_every_combination_and_sorts_by_the_watched_metric(toy: Path, tmp_path: Path) -> None:
    result = sweep(toy, {"lr": [1e-4, 0.05], "sizes": [[2], [4]]}, ["training.epochs=2"], root=tmp_path)
    losses = [point.metrics.value for point in result.points if point.metrics]
    assert len(losses) == 4
    assert losses == sorted(losses)
    assert result.best.values["training.learning_rate"] == 0.05
    assert {path.name for path in result.folder.iterdir() if path.is_dir()} == {point.slug for point in result.points}
    records = json.loads((tmp_path / "toy-sweep" / "sweep.json").read_text())
    assert [record["validation"]["loss"] for record in records] == losses
    table = (tmp_path / "toy-sweep" / "sweep.md").read_text().splitlines()
    assert table[4].startswith("| training.learning_rate | sizes | loss | accuracy | best epoch | epochs | seconds |")
    assert len(table) == 4 + 2 + 4
    assert f"{losses[0]:.4f}" in table[6]


def test_a_larger_metric_comes_first_where_larger_is_better(toy: Path, tmp_path: Path) -> None:
    watched = ["training.early_stopping={metric: accuracy, mode: max}", "training.epochs=2"]
    result = sweep(toy, {"lr": [1e-4, 0.05]}, watched, root=tmp_path)
    values = [point.metrics.value for point in result.points if point.metrics]
    assert values == sorted(values, reverse=True)


def test_a_wider_grid_trains_only_what_is_new(toy: Path, tmp_path: Path) -> None:
    first = sweep(toy, {"seed": [0]}, ["training.epochs=1"], root=tmp_path)
    second = sweep(toy, {"seed": [0, 1]}, ["training.epochs=1"], root=tmp_path)
    seconds = {point.slug: point.metrics.seconds for point in second.points if point.metrics}
    assert first.points[0].metrics is not None
    assert seconds["seed=0"] == first.points[0].metrics.seconds
    assert set(seconds) == {"seed=0", "seed=1"}


def test_a_point_that_fails_is_told_and_ends_last(toy: Path, tmp_path: Path) -> None:
    result = sweep(toy, {"explode_at": [3, 0]}, ["training.epochs=1"], root=tmp_path)
    assert [point.values["explode_at"] for point in result.points] == [0, 3]
    assert result.points[1].error is not None
    assert "step 3" in result.points[1].error
    assert "| failed | failed |" in result.markdown()
    failed = sweep(toy, {"explode_at": [3]}, ["training.epochs=1"], root=tmp_path)
    with pytest.raises(TrainingError, match="every point of the sweep failed; the first one: step 3"):
        _ = failed.best


def test_a_wrong_point_is_refused_before_anything_is_trained(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"training\.epochs"):
        sweep(toy, {"epochs": [1, 0]}, root=tmp_path)
    with pytest.raises(TrainingError, match="keys that differ"):
        sweep(toy, {"lr": [1], "learning_rate": [2]}, root=tmp_path)
    assert not (tmp_path / "toy-sweep").exists()


def test_values_that_look_alike_have_folders_of_their_own(toy: Path) -> None:
    slugs = [
        point.slug for point in plan(toy, {"sizes": [[1, 2], [12], list(range(1, 90))], "lr": [1e-7, 1.0000001e-7]})
    ]
    assert len(set(slugs)) == 6
    assert all(len(slug) < 140 and "/" not in slug for slug in slugs)
