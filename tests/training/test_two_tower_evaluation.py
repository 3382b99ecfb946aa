"""An evaluation ranks the whole catalogue for the test users, beside its baselines, and leaves a report."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.trained import Home, quiet
from tests.trained_recommenders import BOOKS, train_books
from training.baselines.popularity import Popularity
from training.evaluate import evaluate
from training.metrics.topk import per_user
from training.report.recommendation_figures import RecommendationFigures
from training.run import Run
from training.trained_two_tower import TrainedTwoTower
from training.two_tower_evaluation import evaluate_two_tower

Evaluated = tuple[RecommendationFigures, Path]


@pytest.fixture(scope="module")
def evaluated(trained_books: TrainedTwoTower, home: Home) -> Evaluated:
    """Figures and the folder of the report."""
    with home.entered():
        return evaluate_two_tower(trained_books, quiet()), trained_books.run.report


def test_a_report_is_written_beside_the_baselines(trained_books: TrainedTwoTower, evaluated: Evaluated) -> None:
    figures, folder = evaluated
    assert list(figures.candidates) == ["books", "popularity", "item_knn_bm25"]
    ours, popular = (figures.candidates[name].figures["recall@20"] for name in ("books", "popularity"))
    assert ours > popular + 0.15

    written = json.loads((folder / "evaluation.json").read_text())
    assert written["candidates"]["books"]["figures"]["recall@20"] == pytest.approx(ours, abs=1e-5)
    assert written["protocol"] == trained_books.protocol()
    holdout = trained_books.recipe.holdout
    for told in (f"{holdout.train.nnz:,} training", f"{holdout.test.nnz:,} test", "full ranking", "at random"):
        assert told in written["protocol"]
    report = (folder / "report.md").read_text()
    assert "GENERATED SAMPLE" in report
    for picture in {line.split("(")[1].rstrip(")") for line in report.splitlines() if line.startswith("![")}:
        assert (folder / picture).stat().st_size > 1000


def test_figures_are_of_lists_that_rest_on_all_that_is_not_test(
    trained_books: TrainedTwoTower, evaluated: Evaluated
) -> None:
    figures, _ = evaluated
    holdout = trained_books.recipe.holdout
    users = np.flatnonzero(np.diff(holdout.test.indptr))
    vectors = trained_books.user_vectors(holdout.history, users)
    scores = vectors @ trained_books.item_vectors.T
    scores[holdout.history[users].toarray()] = -np.inf
    by_hand = np.argsort(-scores, axis=1, kind="stable")[:, :100].astype(np.int32)
    expected = per_user(by_hand, holdout.test[users])
    found = figures.candidates["books"].figures
    assert found["recall@20"] == pytest.approx(expected["recall@20"].mean(), abs=1e-6)
    assert found["ndcg@20"] == pytest.approx(expected["ndcg@20"].mean(), abs=1e-6)
    popularity = Popularity()
    popularity.fit(holdout.history)
    popular = per_user(popularity.top(users, 100), holdout.test[users])["recall@20"].mean()
    assert figures.candidates["popularity"].figures["recall@20"] == pytest.approx(popular, abs=1e-9)


def test_variants_are_compared_over_seeds(at_home: Home) -> None:
    small = ("data.sample.rows=4000", "training.epochs=1", "evaluation.seeds=[5]", "evaluation.baselines=[popularity]")
    train_books(at_home, *small, run="seeds")
    summary, folder = evaluate("books", (*BOOKS, *small), run_name="seeds", steps=quiet())
    assert sorted(path.name for path in (folder.parent / "seeds").iterdir()) == ["dat-5", "plain-5"]
    configs = [Run.find(folder.parent / "seeds", name).config_file.read_text() for name in ("dat-5", "plain-5")]
    assert ["variant: dat" in text for text in configs] == [True, False]
    assert all("seed: 5" in text for text in configs)
    compared = json.loads((folder / "evaluation.json").read_text())
    assert {run["variant"] for run in compared["seed_runs"]} == {"plain", "dat"}
    assert [line.title for line in summary.lines] == ["books", "popularity"]
    assert 0 < summary.lines[0].figures["recall@20"] < 1
