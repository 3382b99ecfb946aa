"""The report of works' neighbours: held-out works are asked about, and everybody reads the same."""

import json

import numpy as np
import pytest

from tests.trained import Home, quiet
from tests.trained_recommenders import WORKS
from training.evaluate import evaluate
from training.metrics.neighbours import agreement, sets_of
from training.report.similarity_figures import SimilarityFigures
from training.report.write import JSON_FILE, REPORT
from training.trained_works import TrainedWorks
from training.work_neighbours import neighbours
from training.works_evaluation import SHOWN, evaluate_works


@pytest.fixture(scope="module")
def figures(home: Home, trained_works: TrainedWorks) -> SimilarityFigures:
    with home.entered():
        return evaluate_works(trained_works, quiet())


def test_the_first_figures_are_of_test_works_by_title_and_free_tags(
    figures: SimilarityFigures, trained_works: TrainedWorks
) -> None:
    queries, data = trained_works.recipe.data.test, trained_works.recipe.data
    top = neighbours(trained_works.bare[queries], queries, trained_works.bare, 10)
    for name, kind in (("fandom@10", "fandom"), ("ship@10", "relationship")):
        sets = sets_of(data.tags(kind).to_list())
        expected = agreement(top, sets[queries], sets).mean()
        assert figures.candidates["works"].figures[name] == pytest.approx(expected)
        assert figures.rows[name] == len(queries)
    assert figures.misses == {}  # a generated sample has no targets


def test_baselines_read_what_the_model_reads(figures: SimilarityFigures) -> None:
    own = {name for name in figures.candidates if name.startswith("works")}
    assert own == {f"works{key}{among}" for key in ("", "_mixed", "_whole") for among in ("", "_among_test")}
    assert {"tfidf", "tfidf_pairs", "random"} < figures.candidates.keys()
    reads = {name: one.reads for name, one in figures.candidates.items()}
    for name in ("tfidf", "tfidf_pairs"):
        assert reads[name] == reads["works"] == "title + tags"
        assert reads[f"{name}_among_test"] == reads["works_among_test"]
        assert reads[f"{name}_whole"] == reads["works_whole"] == "everything"
    lot = figures.candidates["random"].figures
    assert all(lot[name] == pytest.approx(figures.chance[name], abs=0.03) for name in SHOWN)
    assert figures.candidates["works_whole"].figures["ship@10"] > figures.candidates["works"].figures["ship@10"]


def test_the_command_tells_the_main_figures_and_writes_the_report(
    home: Home, figures: SimilarityFigures, trained_works: TrainedWorks
) -> None:
    with home.entered():
        summary, folder = evaluate("works", WORKS)
    assert list(summary.shown) == ["fandom@10", "ship@10"]
    assert summary.lines[0].title.startswith("works, title + tags")
    assert folder == trained_works.run.report
    report = json.loads((folder / JSON_FILE).read_text())
    found = report["candidates"][report["model"]]["intervals"]
    assert found["ship@10"]["value"] == pytest.approx(figures.candidates["works"].figures["ship@10"], abs=1e-5)
    text = (folder / REPORT).read_text()
    assert "TF-IDF with pairs" in text
    assert "GENERATED SAMPLE" in text
    assert np.isfinite(found["ship@10"]["low"])
