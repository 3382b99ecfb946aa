"""An evaluation looks at the test rows once and leaves a report."""

import json

import numpy as np
import pytest

from features.labels import LABELS_FILE
from tests.trained import PAPERS, Home, quiet
from training.classifier_evaluation import evaluate_classifier, protocol
from training.evaluate import evaluate
from training.metrics.averages import micro_f1
from training.trained_classifier import TrainedClassifier


def test_a_report_is_written_beside_the_baselines(trained_papers: TrainedClassifier, at_home: Home) -> None:
    figures = evaluate_classifier(trained_papers, quiet())
    recipe, folder = trained_papers.recipe, trained_papers.run.report
    assert list(figures.candidates) == ["papers", "tfidf_lr", "tfidf_lr_one_threshold", "prior"]
    ours, prior = (figures.candidates[name].figures["f1_micro"] for name in ("papers", "prior"))
    assert ours > prior + 0.2

    written = json.loads((folder / "evaluation.json").read_text())
    assert written["rows"] == recipe.splits.test.height
    assert written["candidates"]["papers"]["figures"]["f1_micro"] == pytest.approx(ours, abs=1e-5)
    assert written["protocol"] == protocol(trained_papers)
    for told in (f"{recipe.rows:,} training", f"{recipe.splits.test.height:,} test rows", "title + abstract"):
        assert told in written["protocol"]

    report = (folder / "report.md").read_text()
    assert "TF-IDF + logistic regression" in report
    assert "GENERATED SAMPLE" in report
    for picture in {line.split("(")[1].rstrip(")") for line in report.splitlines() if line.startswith("![")}:
        assert (folder / picture).stat().st_size > 1000


def test_its_figures_are_the_trained_model_s_on_the_test_rows(trained_genres: TrainedClassifier, at_home: Home) -> None:
    figures = evaluate_classifier(trained_genres, quiet())
    recipe = trained_genres.recipe
    test = recipe.with_readings(recipe.part(recipe.splits.test), "test")
    labels = trained_genres.label_set
    assigned = labels.assign(labels.calibrate(trained_genres.scores(test)))
    assert figures.candidates["genres"].figures["f1_micro"] == pytest.approx(micro_f1(test.truth, assigned), abs=1e-9)
    assert np.isfinite(list(figures.candidates["genres"].figures.values())).all()


def test_the_rule_does_not_change_by_being_evaluated(trained_papers: TrainedClassifier, at_home: Home) -> None:
    rule = trained_papers.label_set
    evaluate("papers", PAPERS, steps=quiet())
    written = (trained_papers.run.folder / LABELS_FILE).read_text()
    assert type(rule).model_validate_json(written) == rule
