"""The classifiers' recipe: it learns, repeats itself to the bit, survives kills, and never looks at test rows."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from torch import Tensor

from features.labels import LABELS_FILE
from features.ngrams import IDS
from features.rows import FeatureRow
from models.bag import BagVocabulary, NgramBag
from models.classifier import Scorer
from tests.trained import PAPERS, Home
from training.baselines.prior import Prior
from training.checkpoints import complete
from training.classifier import CHUNK_BATCHES, ClassifierRecipe
from training.classifier_config import ObjectiveConfig
from training.classifier_parts import make_loss
from training.data.sample import sample
from training.data.sets import DataConfig, load
from training.data.splits import SplitConfig, split
from training.decision.config import DecisionConfig
from training.decision.fit import fit_labels
from training.errors import TrainingError
from training.loop import Result
from training.losses.asymmetric import AsymmetricLoss
from training.losses.bce import BinaryCrossEntropy
from training.losses.focal import FocalLoss
from training.metrics.averages import micro_f1
from training.metrics.ranking import lrap
from training.recipes import make_recipe, read_recipe
from training.run import Run
from training.train import train
from training.trained_classifier import TrainedClassifier

NAMES = ["papers", "genres"]


def overrides_of(home: Home, name: str) -> tuple[str, ...]:
    return PAPERS if name == "papers" else home.genres


def trained_of(request: pytest.FixtureRequest, name: str) -> TrainedClassifier:
    found: TrainedClassifier = request.getfixturevalue(f"trained_{name}")
    return found


def recipe_of(name: str, overrides: tuple[str, ...]) -> ClassifierRecipe:
    recipe = make_recipe(read_recipe(name, overrides))
    assert isinstance(recipe, ClassifierRecipe)
    recipe.prepare()
    return recipe


def train_quietly(name: str, overrides: tuple[str, ...], root: Path, **more: Any) -> Result:
    return train(name, overrides, root=root, console=Console(quiet=True), **more)


def told(run: Run) -> dict[str, Any]:
    """Return the metrics of a run but for its wall time."""
    metrics = run.metrics()
    assert metrics is not None
    return metrics.model_dump(exclude={"seconds"})


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_learns_far_more_than_how_frequent_labels_are(request: pytest.FixtureRequest, name: str) -> None:
    trained = trained_of(request, name)
    recipe, truth = trained.recipe, trained.recipe.validation.truth
    prior = Prior.fit(recipe.train.truth).predict(recipe.validation.texts)
    rule = fit_labels(prior, truth, recipe.label_set, DecisionConfig(calibration="none"))
    assert trained.metrics.best.validation["micro_f1"] > micro_f1(truth, rule.assign(prior)) + 0.2


@pytest.mark.parametrize("name", NAMES)
def test_two_runs_with_one_seed_give_the_same_bits(
    request: pytest.FixtureRequest, at_home: Home, tmp_path: Path, name: str
) -> None:
    first, second = trained_of(request, name), train_quietly(name, overrides_of(at_home, name), tmp_path)
    assert second.trained
    assert told(first.run) == told(second.run)
    assert first.run.best_weights().read_bytes() == second.weights.read_bytes()


@pytest.mark.parametrize(("name", "after"), [("papers", 40), ("genres", 27)])
def test_a_run_killed_mid_epoch_ends_like_one_that_was_left_alone(
    request: pytest.FixtureRequest, home: Home, tmp_path: Path, repository: Path, name: str, after: int
) -> None:
    whole = trained_of(request, name)
    settings = [part for override in overrides_of(home, name) for part in ("--set", override)]
    command = [sys.executable, "-m", "jubako", "train", name, *settings]
    kept = {name: value for name, value in os.environ.items() if name != "JUBAKO_DATA_DIR"}
    environment = kept | home.environment | {"JUBAKO_RUNS_DIR": str(tmp_path)}

    # A checkpoint after each step slows the run down enough to be hit in its second epoch.
    process = subprocess.Popen(
        [*command, "--set", "training.checkpoint_every_steps=1"],
        cwd=repository, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    give_up = time.monotonic() + 120
    while steps_of(tmp_path / name) < after and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    epoch_steps = whole.metrics.history[0].step
    assert epoch_steps < steps_of(tmp_path / name) < 2 * epoch_steps

    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"run {name} goes on after step" in done.stderr
    resumed = Run.find(tmp_path, name)
    assert told(resumed) == told(whole.run)
    assert resumed.best_weights().read_bytes() == whole.run.best_weights().read_bytes()


def steps_of(run: Path) -> int:
    """Return the step of a run's newest checkpoint."""
    found = complete(run / "checkpoints")
    return int(found[-1].name.removeprefix("step-")) if found else 0


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_that_are_opened_are_those_of_the_best_epoch(request: pytest.FixtureRequest, name: str) -> None:
    trained = trained_of(request, name)
    truth = trained.recipe.validation.truth
    watched = trained.metrics.metric
    assert trained.metrics.best.epoch == max(trained.metrics.history, key=lambda epoch: epoch.validation[watched]).epoch
    assert lrap(truth, trained.validation_scores) == pytest.approx(trained.metrics.best.validation["lrap"], abs=1e-9)


def test_a_run_that_gets_no_better_stops_early(at_home: Home, tmp_path: Path) -> None:
    hopeless = "training.learning_rate=1e-12", "training.early_stopping.patience_epochs=2", "data.sample_rows=400"
    result = train_quietly("papers", (*PAPERS, *hopeless, "training.epochs=9"), tmp_path)
    assert (result.metrics.stopped, result.metrics.best.epoch, result.metrics.epochs) == ("early", 1, 3)


def test_neither_weights_nor_rule_depend_on_test_rows(at_home: Home, tmp_path: Path) -> None:
    settings = (*PAPERS, "data.sample_rows=700", "training.epochs=1")
    data = DataConfig(name="papers", sample_rows=700, split=SplitConfig(test=0.3, validation=0.15))
    rows = load(data).frame.select(sample("papers", 100).columns)  # without duplicates: nothing is merged once more
    tested = split(load(data).frame, data.protocol).test["id"]
    honest, spoilt = (
        rows.filter(~pl.col("id").is_in(tested.to_list())),
        rows.filter(pl.col("id").is_in(tested.to_list())),
    )
    spoilt = spoilt.with_columns(pl.col("labels").shuffle(3), pl.col("abstract") + " zzyzx")
    rows.write_parquet(tmp_path / "honest.parquet")
    pl.concat([honest, spoilt]).write_parquet(tmp_path / "spoilt.parquet")

    opened = []
    for name in ("honest", "spoilt"):
        given = (*settings, f"data.path={tmp_path / name}.parquet")
        train_quietly("papers", given, tmp_path, run_name=name)
        opened.append(TrainedClassifier.open("papers", given, root=tmp_path, run_name=name))
    first, second = opened
    assert first.run.data().sha256 != second.run.data().sha256
    parts = [trained.recipe.part(trained.recipe.splits.test) for trained in opened]
    assert not np.array_equal(parts[0].truth, parts[1].truth)
    assert first.run.best_weights().read_bytes() == second.run.best_weights().read_bytes()
    assert told(first.run)["history"] == told(second.run)["history"]
    assert first.label_set == second.label_set
    rules = [(trained.run.folder / LABELS_FILE).read_bytes() for trained in opened]
    assert rules[0] == rules[1]


def test_only_n_grams_of_training_rows_have_a_row(trained_papers: TrainedClassifier) -> None:
    recipe = trained_papers.recipe
    assert recipe.vocabulary is not None
    trained, other = (
        {int(bucket) for row in part.rows for bucket in row.arrays[IDS]} for part in (recipe.train, recipe.validation)
    )
    assert len(other - trained) > 100
    assert not recipe.vocabulary.place[sorted(other - trained)].any()


@pytest.fixture(scope="module")
def ordered(home: Home) -> ClassifierRecipe:
    with home.entered():
        return recipe_of("genres", home.genres)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_every_row_comes_once_in_an_epoch(ordered: ClassifierRecipe, seed: int) -> None:
    order = ordered.order(torch.Generator().manual_seed(seed))
    assert torch.equal(order.sort().values, torch.arange(ordered.rows))


def test_rows_of_like_length_meet_in_a_batch(ordered: ClassifierRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = torch.randint(3, 200, (ordered.rows,), generator=torch.Generator().manual_seed(1))
    rows = [FeatureRow({}, length) for length in lengths.tolist()]
    monkeypatch.setattr(ordered, "train", replace(ordered.train, rows=rows))
    size = ordered.config.training.batch_rows
    assert ordered.rows > CHUNK_BATCHES * size

    def padding(order: Tensor) -> int:
        padded = sum(int(lengths[rows].max()) * len(rows) for rows in torch.split(order, size))
        return padded - int(lengths.sum())

    generator = torch.Generator().manual_seed(0)
    order, again = ordered.order(generator), ordered.order(generator)
    assert padding(order) < 0.25 * padding(torch.randperm(ordered.rows, generator=generator))
    assert not torch.equal(order, again)


def rates_of(recipe: ClassifierRecipe) -> dict[str, float]:
    """Return the peak learning rate of each parameter."""
    module = recipe.module()
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    groups = [group for optimizer in recipe.optimizers(module) for group in optimizer.param_groups]
    rates = [(names[id(parameter)], group["lr"]) for group in groups for parameter in group["params"]]
    assert sorted(name for name, _ in rates) == sorted(names.values())  # each weight in one optimiser
    return dict(rates)


def test_one_learning_rate_moves_them_all(at_home: Home, ordered: ClassifierRecipe) -> None:
    rate, branches = ordered.config.training.learning_rate, ordered.config.branches
    assert branches.layers is not None
    assert branches.attention is not None
    rates = rates_of(ordered)
    assert rates["branches.layers.output.weight"] == pytest.approx(rate * branches.layers.rate_factor)
    assert rates["branches.layers.bag.table.weight"] == pytest.approx(rate * branches.layers.table_rate_factor)
    assert rates["branches.attention.value.weight"] == pytest.approx(rate * branches.attention.rate_factor)
    doubled = rates_of(recipe_of("genres", (*at_home.genres, f"training.learning_rate={2 * rate}")))
    assert doubled == pytest.approx({name: 2 * value for name, value in rates.items()})


def test_a_transformer_that_is_trained_has_a_rate_of_its_own(at_home: Home) -> None:
    recipe = recipe_of("genres", (*at_home.genres, "encoder.frozen=false", "encoder.rate_factor=0.5"))
    rates = {rate for name, rate in rates_of(recipe).items() if name.startswith("backbone.")}
    assert rates == {recipe.config.training.learning_rate * 0.5}


def test_biases_and_norms_do_not_decay(ordered: ClassifierRecipe) -> None:
    dense = ordered.optimizers(ordered.module())[0]
    for group in dense.param_groups:
        decays = {parameter.ndim > 1 for parameter in group["params"]}
        assert decays == {group["weight_decay"] > 0}


def test_labels_begin_at_how_frequent_they_are(ordered: ClassifierRecipe) -> None:
    votes = ordered.module().branches["votes"]
    share = torch.from_numpy(ordered.train.truth.mean(axis=0))
    torch.testing.assert_close(torch.sigmoid(votes.bias).double(), share, atol=1e-4, rtol=1e-3)  # type: ignore[arg-type]


def test_rarer_labels_are_learnt_besides_and_nobody_is_told(at_home: Home, tmp_path: Path) -> None:
    rarer = "data.min_count=40", "objective.auxiliary_labels=6"
    settings = (*PAPERS, "data.sample_rows=700", "training.epochs=1", *rarer)
    result = train_quietly("papers", settings, tmp_path)
    trained = TrainedClassifier.open("papers", settings, root=tmp_path)
    labels = len(trained.recipe.data.labels)
    assert trained.recipe.auxiliary.shape == (trained.recipe.rows, 6)
    assert trained.recipe.auxiliary.any(axis=0).all()
    assert trained.module.branches["layers"].output.out_features == labels + 6  # type: ignore[union-attr]
    assert trained.validation_scores.shape[1] == len(trained.label_set.labels) == labels
    assert result.metrics.best.train["layers"] > 0


@pytest.mark.parametrize("loss", ["focal", "asymmetric"])
def test_other_losses_and_class_weights_learn_too(at_home: Home, tmp_path: Path, loss: str) -> None:
    settings = (*PAPERS, f"objective.loss={loss}", "objective.class_weights=0.5", "training.epochs=2")
    result = train_quietly("papers", settings, tmp_path)
    first, last = result.metrics.history[0], result.metrics.history[-1]
    assert last.train["loss"] < first.train["loss"]
    assert last.validation["lrap"] > 0.5


def test_losses_are_what_they_are_called(ordered: ClassifierRecipe) -> None:
    truth = ordered.train.truth
    kinds = {"bce": BinaryCrossEntropy, "focal": FocalLoss, "asymmetric": AsymmetricLoss}
    for name, kind in kinds.items():
        loss = make_loss(ObjectiveConfig.model_validate({"loss": name, "class_weights": 1.0}), truth)
        assert type(loss) is kind
        expected = (~truth).sum(axis=0) / truth.sum(axis=0)
        np.testing.assert_allclose(loss.class_weights, expected, rtol=1e-5)  # type: ignore[arg-type]
        assert make_loss(ObjectiveConfig.model_validate({"loss": name}), truth).class_weights is None


def test_a_last_batch_of_one_row_is_learnt_from(at_home: Home, tmp_path: Path, ordered: ClassifierRecipe) -> None:
    rows = (f"training.batch_rows={ordered.rows - 1}", "training.epochs=1")
    assert train_quietly("genres", (*at_home.genres, *rows), tmp_path).metrics.steps == 2


def test_a_transformer_that_is_not_frozen_is_trained_and_kept(at_home: Home, tmp_path: Path) -> None:
    settings = (*at_home.genres, "encoder.frozen=false", "data.sample_rows=400", "training.epochs=1")
    result = train_quietly("genres", settings, tmp_path)
    trained = TrainedClassifier.open("genres", settings, root=tmp_path)
    before = recipe_of("genres", settings).backbone
    assert before is not None
    assert trained.recipe.train.readings is None
    after = {name: tensor for name, tensor in trained.module.state_dict().items() if name.startswith("backbone.")}
    moved = [name for name, tensor in before.state_dict().items() if not torch.equal(tensor, after[f"backbone.{name}"])]
    assert "layers.1.attention.self.query.weight" in moved
    assert result.metrics.parameters > sum(tensor.numel() for tensor in after.values()) > 0

    features = trained.recipe.pipeline.features
    feed = features.collate(trained.recipe.validation.rows)
    scorer = Scorer(trained.whole(), tuple(feed.inputs)).eval()
    with torch.inference_mode():
        scores = scorer(*(torch.from_numpy(array) for array in feed.inputs.values())).numpy()
    np.testing.assert_allclose(scores, trained.validation_scores, atol=1e-5)


def test_readings_from_the_cache_score_like_the_whole_classifier(trained_genres: TrainedClassifier) -> None:
    rows = trained_genres.recipe.validation.rows
    feed = trained_genres.recipe.pipeline.features.collate(rows)
    scorer = Scorer(trained_genres.whole(), tuple(feed.inputs)).eval()
    with torch.inference_mode():
        scores = scorer(*(torch.from_numpy(array) for array in feed.inputs.values())).numpy()
    # Cached token vectors are in half precision.
    np.testing.assert_allclose(scores, trained_genres.validation_scores, atol=2e-3)


def test_a_run_is_opened_with_the_recipe_that_it_was_trained_with(
    trained_papers: TrainedClassifier, at_home: Home
) -> None:
    for other in ("fields=[title]", "branches.layers.hidden=40", "cleaning.latex=keep"):
        key = other.split("=")[0].split(".")[0]
        with pytest.raises(
            TrainingError, match=f"run papers was trained with other values of {key}: see .*config.yaml"
        ):
            TrainedClassifier.open("papers", (*PAPERS, other))
    looser = ("decision.calibration=temperature", "export.floors.micro_f1=0.1", "training.threads=0")
    opened = TrainedClassifier.open("papers", (*PAPERS, *looser))
    assert opened.label_set.calibration is not None
    assert opened.label_set.calibration.kind == "temperature"


def test_a_run_that_is_not_there_or_has_not_ended_is_told(at_home: Home, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no run 'papers'"):
        TrainedClassifier.open("papers", PAPERS, root=tmp_path)
    Run.open(tmp_path, "papers", read_recipe("papers", PAPERS))
    with pytest.raises(TrainingError, match="run papers has not ended; go on with it: jubako train papers"):
        TrainedClassifier.open("papers", PAPERS, root=tmp_path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("branches={}", "a classifier needs one branch at least"),
        ("bag=null", "branches read n-grams, but there is no `bag`"),
        ("encoder=null", "branches read a transformer, but there is no `encoder`"),
        ("branches={votes: {}}", "no branch reads the `encoder`"),
        ("branches={attention: {}}", "no branch reads the `bag`"),
        ("branches.layers={bag_width: 0, pooled: false}", "the layers branch reads nothing"),
        ("fields=[]", "fields"),
    ],
)
def test_parts_that_do_not_fit_together_are_told(override: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        read_recipe("genres", [override])


def test_an_encoder_that_is_missing_is_told(at_home: Home, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="there is no such folder"):
        recipe_of("genres", (*at_home.genres, f"encoder.source={tmp_path / 'nowhere'}"))
    with pytest.raises(TrainingError, match="token_layer is 9, the encoder has layers 1 to 2"):
        recipe_of("genres", (*at_home.genres, "encoder.token_layer=9"))


def test_the_vocabulary_of_both_bags_is_one(ordered: ClassifierRecipe) -> None:
    bags = [bag for bag in ordered.module().modules() if isinstance(bag, NgramBag)]
    assert isinstance(ordered.vocabulary, BagVocabulary)
    assert [len(bag.idf) for bag in bags] == [len(ordered.vocabulary.idf)] * 2
