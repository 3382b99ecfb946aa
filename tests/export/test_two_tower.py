"""From a run of two towers to a stored bundle; one that has learnt nothing gets none."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bundle.bundle import Bundle
from bundle.store import is_stored
from export import figures
from export.errors import ExportError
from export.runs import export_run
from export.two_tower import recommender_of
from features.people import User
from jubako.cli import app
from tests.trained import Home, quiet
from tests.trained_recommenders import BOOKS, train_books
from training.data.sample_interactions import SampleConfig, sample_interactions
from training.data.tables import Tables, write_ours
from training.run import Run
from training.trained_two_tower import TrainedTwoTower

FLOOR = "export.sample_floors={recall_at_20: 0.55}"
"""Far above what a sample without anything to learn gives, and below what towers find in a true one."""


@pytest.fixture(scope="module")
def shuffled(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Overrides of a run that was trained on readers to whom others' books were given."""
    folder = tmp_path_factory.mktemp("shuffled")
    data = sample_interactions("book-crossing", SampleConfig(rows=9000))
    shuffled = data.meetings.with_columns(data.meetings["item"].shuffle(seed=1))
    write_ours(Tables(shuffled, data.books, data.people), "book-crossing", folder)
    settings = (f"data.path={folder}", "training.epochs=2", FLOOR)
    train_books(home, *settings, run="books-shuffled")
    with home.entered():
        yield (*BOOKS, *settings)


def test_towers_of_shuffled_interactions_are_refused(shuffled: tuple[str, ...]) -> None:
    below = r"recall@20 is 0\.\d+, below its floor of 0.55 .*export\.sample_floors\.recall_at_20"
    with pytest.raises(ExportError, match=below):
        export_run("books", shuffled, run_name="books-shuffled", bundle_name="refused-books", steps=quiet())
    assert not is_stored("refused-books")


def test_the_command_refuses_them_too(shuffled: tuple[str, ...]) -> None:
    settings = [part for override in shuffled for part in ("--set", override)]
    arguments = ["export", "books", "--run", "books-shuffled", "--name", "refused-books", *settings]
    told = CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})
    assert told.exit_code == 1, told.output
    assert "error: recall@20 is 0." in told.output
    assert "below its floor of 0.55" in told.output
    assert "export.sample_floors.recall_at_20" in told.output
    assert not is_stored("refused-books")


def test_true_ones_pass_the_same_floor(trained_books: TrainedTwoTower, at_home: Home) -> None:
    export = trained_books.recipe.config.export
    floors = export.sample_floors.model_copy(update={"recall_at_20": 0.55})
    config = trained_books.recipe.config.model_copy(
        update={"export": export.model_copy(update={"sample_floors": floors})}
    )
    trained_books.recipe.config, before = config, trained_books.recipe.config
    try:
        told = recommender_of(trained_books, "passes").figures
    finally:
        trained_books.recipe.config = before
    (validated,) = [figure for figure in told if not figure.name.startswith("test_")]
    assert validated.value == trained_books.metrics.best.validation["recall@20"] > 0.55
    assert "validation users; GENERATED SAMPLE" in validated.protocol


def test_figures_of_the_test_are_told_once_there_are_any(
    trained_books: TrainedTwoTower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"")
    monkeypatch.setattr(Run, "best_weights", lambda self: weights)
    assert figures.tested(run, ["recall@20"]) == []
    run.report.mkdir()
    report = run.report / "evaluation.json"
    found = {"figures": {"recall@20": 0.5}, "intervals": {"recall@20": {"value": 0.5}}}
    report.write_text(json.dumps({"model": "books", "protocol": "by hand", "candidates": {"books": found}}))
    (figure,) = figures.tested(run, ["recall@20"])
    assert (figure.name, figure.value, figure.protocol) == ("test_recall@20", 0.5, "by hand")
    os.utime(report, (0, 0))  # as though the run had been trained anew since
    assert figures.tested(run, ["recall@20"]) == []


def test_each_encoder_is_judged_on_validation_users(trained_books: TrainedTwoTower, at_home: Home) -> None:
    recommender = recommender_of(trained_books, "judged")
    recipe, holdout = trained_books.recipe, trained_books.recipe.holdout
    judged = np.flatnonzero(np.diff(holdout.validation.indptr))
    best = trained_books.metrics.best.validation["recall@20"]
    users, items = recommender.sides
    assert users.task.score(trained_books.user_vectors(holdout.train, judged)).value == pytest.approx(best, abs=1e-6)
    assert items.task.score(trained_books.item_vectors).value == pytest.approx(best, abs=1e-6)
    assert [user.id for user in users.task.texts] == [recipe.data.user_ids[user] for user in judged]
    asked = {(user.id, item) for user in users.task.texts for item in user.history}
    people, names = recipe.data.user_ids, recipe.data.item_ids
    held_out = holdout.validation + holdout.test
    assert not asked & {(people[user], names[item]) for user, item in zip(*held_out.nonzero(), strict=True)}
    assert User() in users.probes


def test_a_bundle_of_the_tests_is_in_the_store(exported_books: Bundle) -> None:
    assert is_stored("small-books")
    assert exported_books.manifest.provenance.architecture == "two towers, dat, sum"


def test_a_run_that_is_not_there_is_told(at_home: Home, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no run 'books' in .* start it: jubako train books"):
        export_run("books", BOOKS, root=tmp_path, steps=quiet())
