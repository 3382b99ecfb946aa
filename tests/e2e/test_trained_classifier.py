"""What a real server answers is what the trained model says: on held-out records, alone and in any batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bundle.bundle import Bundle
from features.labels import Assigned, LabelSet
from jubako import Client
from jubako.client import Classifications
from models.classifier import Scorer
from tests.e2e.server import Server, running
from training.trained_classifier import TrainedClassifier

RECORDS = 500
EIGHT_BITS = 0.05
"""How far a calibrated score in eight bits may be; the gate of its raw scores is `export.int8_max_abs`."""


class Expected:
    """A trained classifier's own answers to its first test rows: as many as there are, 500 at most."""

    def __init__(self, trained: TrainedClassifier) -> None:
        recipe = trained.recipe
        part = recipe.part(recipe.splits.test.head(RECORDS))
        self.records: list[Any] = part.frame.select(list(dict.fromkeys(recipe.config.fields))).to_dicts()
        self.labels: LabelSet = trained.label_set
        names = tuple(recipe.pipeline.features.collate(part.rows[:1]).inputs)
        scorer = Scorer(trained.whole(), names).eval()
        feeds = [recipe.pipeline.features.collate([row]).inputs for row in part.rows]
        with torch.inference_mode():
            raw = [scorer(*(torch.from_numpy(feed[name]) for name in names)).numpy() for feed in feeds]
        self.scores: NDArray[np.float32] = self.labels.calibrate(np.concatenate(raw))
        self.assigned: Assigned = self.labels.assign(self.scores)

    def matrix(self, answer: Classifications) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return an answer's scores and decisions in the order of the labels."""
        assert not answer.errors
        told = [{scored.label: scored for scored in row} for row in answer.labels]
        rows = [[row[label.label] for label in self.labels.labels] for row in told]
        scores = np.array([[scored.score for scored in row] for row in rows])
        return scores, np.array([[scored.assigned for scored in row] for row in rows])


@pytest.fixture(scope="module", params=["fp32", "int8"])
def server(
    exported_papers: Bundle,
    exported_genres: Bundle,
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[tuple[Server, str]]:
    """A server of both classifiers, and the precision it computes in."""
    log, models = tmp_path_factory.mktemp("log") / "server.log", '["small-papers", "small-genres"]'
    with running(repository, log, JUBAKO_MODELS=models, JUBAKO_ENGINE__PRECISION=request.param) as server:
        yield server, request.param


@pytest.fixture(scope="module", params=["papers", "genres"])
def expected(request: pytest.FixtureRequest) -> tuple[str, Expected]:
    """Name of a served model, and what it should say."""
    return f"small-{request.param}", Expected(request.getfixturevalue(f"trained_{request.param}"))


def test_the_sample_has_five_hundred_held_out_papers(trained_papers: TrainedClassifier) -> None:
    assert trained_papers.recipe.splits.test.height >= RECORDS


def test_served_scores_are_the_trained_model_s(server: tuple[Server, str], expected: tuple[str, Expected]) -> None:
    (served, precision), (model, right) = server, expected
    with Client(served.url) as client:
        scores, assigned = right.matrix(client.classify(right.records, model=model))
        few = right.records[:40]
        alone = np.concatenate([right.matrix(client.classify(record, model=model))[0] for record in few])
        assert client.model(model)["graph"].endswith(f"{precision}.onnx")
    limit = 1e-4 if precision == "fp32" else EIGHT_BITS
    np.testing.assert_allclose(scores, right.scores, atol=limit)
    np.testing.assert_allclose(alone, scores[:40], atol=1e-4)
    if precision == "fp32":
        np.testing.assert_array_equal(assigned, right.assigned)
    else:
        assert (assigned == right.assigned).mean() > 0.99


@settings(deadline=None, max_examples=8)
@given(places=st.lists(st.integers(0, 87), min_size=2, max_size=30))
def test_no_score_depends_on_its_batch(
    server: tuple[Server, str], expected: tuple[str, Expected], places: list[int]
) -> None:
    (served, _), (model, right) = server, expected
    with Client(served.url) as client:
        together = right.matrix(client.classify([right.records[at] for at in places], model=model))[0]
        alone = [right.matrix(client.classify(right.records[at], model=model))[0] for at in places]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-4)


def test_models_say_what_they_were_trained_on(server: tuple[Server, str]) -> None:
    with Client(server[0].url) as client:
        listed = {model["name"]: model for model in client.models()}
    for name in ("small-papers", "small-genres"):
        assert listed[name]["training_data"]["description"].startswith("GENERATED SAMPLE")
