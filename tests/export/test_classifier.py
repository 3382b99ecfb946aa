"""From a trained run to a bundle: the graph gives what the module gives, and a bad classifier gets no bundle."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from rich.console import Console
from typer.testing import CliRunner

from bundle.bundle import Bundle
from bundle.manifest import Precision
from bundle.store import find, is_stored
from export.classifier import build_classifier
from export.errors import ExportError
from export.runner import embed, run_graph, run_named
from export.runs import export_run
from jubako.cli import app
from models.classifier import Scorer
from serving.loading import sound_engines
from serving.settings import Engine
from tests.trained import PAPERS, Home, quiet
from training.classifier_config import ClassifierConfig
from training.data.sample import sample
from training.evaluate import evaluate
from training.recipes import read_recipe
from training.train import train
from training.trained_classifier import TrainedClassifier

NAMES = ["papers", "genres"]
HELD_OUT = 500
FLOORS = "export.sample_floors={micro_f1: 0.5, macro_f1: 0.3}"


@pytest.fixture(scope="module", params=NAMES)
def pair(request: pytest.FixtureRequest) -> tuple[TrainedClassifier, Bundle]:
    """A trained classifier and its bundle."""
    return request.getfixturevalue(f"trained_{request.param}"), request.getfixturevalue(f"exported_{request.param}")


def module_scores(trained: TrainedClassifier, texts: list[str]) -> NDArray[np.float32]:
    """Return the scores of the PyTorch module, one text at a time."""
    features = trained.recipe.pipeline.features
    scorer = Scorer(trained.whole(), tuple(features.collate(features.encode(["a"])).inputs)).eval()
    return embed(run_named(scorer, scorer.names), features, texts, rows=1)


def held_out(trained: TrainedClassifier) -> list[str]:
    """Return the texts of test rows, 500 where there are as many."""
    return trained.recipe.part(trained.recipe.splits.test).texts[:HELD_OUT]


def test_graphs_score_held_out_rows_like_the_module(pair: tuple[TrainedClassifier, Bundle]) -> None:
    trained, bundle = pair
    texts, features = held_out(trained), trained.recipe.pipeline.features
    expected = module_scores(trained, texts)
    limits = {Precision.FP32: 1e-4, Precision.FUSED: 1e-4, Precision.INT8: 0.02, Precision.FP16: 0.005}
    for graph in bundle.manifest.graphs:
        run, some = run_graph(bundle.root / graph.file), 32 if graph.precision is Precision.FP16 else None
        for rows in (1, 16):
            scores = embed(run, features, texts[:some], rows=rows, by_length=False)
            np.testing.assert_allclose(scores, expected[:some], atol=limits[graph.precision], err_msg=graph.file)


def test_the_manifest_tells_every_graph_and_what_it_was_trained_on(pair: tuple[TrainedClassifier, Bundle]) -> None:
    trained, bundle = pair
    manifest, config = bundle.manifest, trained.recipe.config
    fused = [Precision.FUSED] if trained.recipe.backbone is not None else []
    assert [graph.precision for graph in manifest.graphs] == [Precision.FP32, *fused, Precision.INT8, Precision.FP16]
    assert manifest.dropped == []
    assert manifest.family == "classifier"
    assert manifest.record == trained.recipe.data.source.kind
    assert manifest.training_data is not None
    assert manifest.training_data.description.startswith("GENERATED SAMPLE")
    assert manifest.training_data.rows == trained.recipe.rows
    assert manifest.provenance.architecture == " + ".join(trained.module.branches)
    validated = [metric for metric in manifest.metrics if not metric.name.startswith("test_")]
    assert {metric.name for metric in validated} == {"micro_f1", "macro_f1"}
    assert all("each decided by a rule fitted without it; GENERATED SAMPLE" in metric.protocol for metric in validated)
    assert (bundle.root / "tokenizer.json").is_file() == (config.encoder is not None)
    assert bundle.labels == trained.label_set


def test_eight_bits_make_the_bag_s_file_smaller(exported_papers: Bundle) -> None:
    files = exported_papers.manifest.files
    assert files["graphs/encoder.int8.onnx"].bytes < 0.6 * files["graphs/encoder.fp32.onnx"].bytes


def test_the_bundle_is_sound(pair: tuple[TrainedClassifier, Bundle]) -> None:
    _, bundle = pair
    bundle.verify()
    for precision in (Precision.FP32, Precision.INT8):
        assert sound_engines(bundle, Engine(precision=precision))[0].graph.precision is precision


def test_a_pass_that_fails_its_gate_is_dropped_and_the_others_stay(
    trained_papers: TrainedClassifier, at_home: Home, tmp_path: Path
) -> None:
    strict = TrainedClassifier.open("papers", (*PAPERS, "export.int8_max_abs=1e-6"))
    manifest = build_classifier(strict, tmp_path, "strict", quiet()).manifest
    assert [graph.precision for graph in manifest.graphs] == [Precision.FP32]
    assert {dropped.precision for dropped in manifest.dropped} == {Precision.INT8, Precision.FP16}
    assert all("off PyTorch's, at most 1e-06 is allowed" in dropped.reason for dropped in manifest.dropped)
    assert [path.name for path in (tmp_path / "graphs").iterdir()] == ["encoder.fp32.onnx"]


def test_figures_of_test_rows_are_in_the_manifest_once_there_are_any(
    trained_papers: TrainedClassifier, at_home: Home, tmp_path: Path
) -> None:
    settings = (*PAPERS, "data.sample_rows=700", "training.epochs=2", "export.precisions=[]")
    root = tmp_path / "runs"
    train("papers", settings, root=root, console=Console(quiet=True))
    summary, folder = evaluate("papers", settings, root=root, steps=quiet())
    told = json.loads((folder / "evaluation.json").read_text())
    bundle = export_run("papers", settings, root=root, bundle_name="evaluated", steps=quiet())
    metrics = {metric.name: metric for metric in bundle.manifest.metrics}
    assert metrics["test_f1_micro"].value == pytest.approx(summary.lines[0].figures["f1_micro"], abs=1e-5)
    assert metrics["test_lrap"].protocol == told["protocol"]
    assert find("evaluated").tag == bundle.tag

    report = folder / "evaluation.json"
    os.utime(report, (0, 0))  # as though the run had been trained anew since
    trained = TrainedClassifier.open("papers", settings, root=root)
    again = build_classifier(trained, tmp_path / "again", "again", quiet())
    assert {metric.name for metric in again.manifest.metrics} == {"micro_f1", "macro_f1"}


@pytest.fixture(scope="module")
def shuffled(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Overrides of a run that was trained on labels that belong to other rows."""
    folder = tmp_path_factory.mktemp("shuffled")
    rows = sample("papers", 900)
    rows.with_columns(pl.col("labels").shuffle(seed=1)).write_parquet(folder / "papers.parquet")
    settings = (*PAPERS, "training.epochs=2", f"data.path={folder / 'papers.parquet'}", FLOORS)
    with home.entered():
        train("papers", settings, run_name="shuffled", console=Console(quiet=True))
        yield settings


def test_a_classifier_of_shuffled_labels_is_refused(shuffled: tuple[str, ...]) -> None:
    below = r"micro_f1 is 0\.\d+, below its floor of 0.5 .*export\.sample_floors\.micro_f1"
    with pytest.raises(ExportError, match=below):
        export_run("papers", shuffled, run_name="shuffled", bundle_name="refused", steps=quiet())
    lower = (*shuffled, "export.sample_floors.micro_f1=0")
    with pytest.raises(ExportError, match=r"macro_f1 is 0\.\d+, below its floor of 0.3"):
        export_run("papers", lower, run_name="shuffled", bundle_name="refused", steps=quiet())
    assert not is_stored("refused")


def test_the_command_refuses_it_too(shuffled: tuple[str, ...]) -> None:
    settings = [part for override in shuffled for part in ("--set", override)]
    told = CliRunner().invoke(app, ["export", "papers", "--run", "shuffled", "--name", "refused", *settings])
    assert told.exit_code == 1, told.output
    assert "error: micro_f1 is 0." in told.output
    assert "below its floor of 0.5" in told.output
    assert not is_stored("refused")


def test_floors_for_real_data_are_those_of_the_issue_or_near(home: Home) -> None:
    for name in NAMES:
        floors = cast(ClassifierConfig, read_recipe(name)).export.floors
        assert floors.micro_f1 >= 0.6
        assert floors.macro_f1 >= 0.3


def test_a_transformer_that_was_trained_is_exported_with_its_own_weights(at_home: Home, tmp_path: Path) -> None:
    settings = (*at_home.genres, "encoder.frozen=false", "data.sample_rows=400", "training.epochs=1")
    settings = (*settings, "training.learning_rate=0.02", "export.precisions=[fused]", "export.sample_floors={}")
    train("genres", settings, root=tmp_path / "runs", console=Console(quiet=True))
    trained = TrainedClassifier.open("genres", settings, root=tmp_path / "runs")
    bundle = build_classifier(trained, tmp_path / "bundle", "tuned", quiet())
    texts = held_out(trained)
    for graph in bundle.manifest.graphs:
        scores = embed(run_graph(bundle.root / graph.file), trained.recipe.pipeline.features, texts)
        np.testing.assert_allclose(scores, module_scores(trained, texts), atol=1e-4)
        np.testing.assert_allclose(scores, trained.scores(trained.recipe.part(trained.recipe.splits.test)), atol=1e-4)


def test_a_run_that_is_not_there_is_told(at_home: Home, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no run 'papers' in .* start it: jubako train papers"):
        export_run("papers", PAPERS, root=tmp_path, steps=quiet())
