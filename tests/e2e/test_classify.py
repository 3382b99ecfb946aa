"""Classification against real servers: every client, the text encoder beside, and both topologies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.bundle import Bundle
from jubako import AsyncClient, Client, ServerError
from jubako.client import Classifications
from tests.e2e.server import Server, running
from tests.tiny import embed_directly
from tests.tiny_classifier import LABELS, TEXTS, classify_directly

RECORDS: list[Any] = [
    "A dragon at a wedding",
    {"title": "Orbit", "description": "A <b>detective</b> among the stars"},
    {"title": "Murder", "authors": ["A. Author"], "description": None},
    *TEXTS,
]
words = st.text(st.sampled_from("abdegrnot 数é\n"), max_size=60).filter(str.strip)
MODELS = '["tiny", "tales", "notes"]'


@pytest.fixture(scope="module", params=["single", "split"])
def server(
    stored_tiny: Bundle,
    stored_tales: Bundle,
    stored_notes: Bundle,
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Server]:
    """A server with a text encoder, a bag of n-grams, and a model of tokens and n-grams."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    with running(repository, log, JUBAKO_MODELS=MODELS, JUBAKO_TOPOLOGY=request.param) as server:
        yield server


def matrix(labels: list[list[dict[str, Any]]]) -> np.ndarray:
    """Return scores in the order of the classifier's labels, [rows, labels]."""
    told = [{label["label"]: label["score"] for label in row} for row in labels]
    return np.array([[row[label.label] for label in LABELS.labels] for row in told])


def matrix_of(answer: Classifications) -> np.ndarray:
    return matrix([[scored._asdict() for scored in row] for row in answer.labels])


@pytest.fixture(scope="module")
def expected(tales: Bundle) -> np.ndarray:
    return classify_directly(tales.root, RECORDS)[1]


def test_http(server: Server, expected: np.ndarray) -> None:
    body = httpx.post(f"{server.url}/classify", json={"inputs": RECORDS}).json()
    assert (body["model"], body["version"]) == ("tales", "1")
    np.testing.assert_allclose(matrix([item["labels"] for item in body["data"]]), expected, atol=1e-6)


def test_jubako_client(server: Server, expected: np.ndarray, tales: Bundle) -> None:
    assigned = classify_directly(tales.root, RECORDS)[2]
    with Client(server.url) as client:
        answer = client.classify(RECORDS)
        np.testing.assert_allclose(matrix_of(answer), expected, atol=1e-6)
        for index, row in enumerate(assigned):
            told = {label.label for label, given_label in zip(LABELS.labels, row, strict=True) if given_label}
            assert set(answer.assigned(index)) == told
        assert len(client.classify(RECORDS[1], top_k=2).labels[0]) == 2
        mixed = client.classify(["dragon", {"titel": "x"}])
        assert (mixed.errors[1].param, mixed.assigned(0)) == ("inputs.1.titel", ["fantasy"])
        with pytest.raises(ServerError, match="loaded models that can: notes, tales"):
            client.classify("dragon", model="tiny")


async def test_jubako_async_client(server: Server, expected: np.ndarray) -> None:
    async with AsyncClient(server.url) as client:
        np.testing.assert_allclose(matrix_of(await client.classify(RECORDS)), expected, atol=1e-6)


def test_bentoml_client(server: Server, expected: np.ndarray) -> None:
    with bentoml.SyncHTTPClient(server.url) as client:
        answer = client.classify(inputs=RECORDS)
        best = client.classify(inputs=["dragon"], top_k=1, model="tales")
    np.testing.assert_allclose(matrix([item["labels"] for item in answer["data"]]), expected, atol=1e-6)
    assert [label["label"] for label in best["data"][0]["labels"]] == ["fantasy"]


def test_a_model_of_tokens_and_n_grams(server: Server, stored_notes: Bundle) -> None:
    records: list[Any] = ["a dragon and trays", {"title": "Orbit", "abstract": "of rice and vegetables"}]
    with Client(server.url) as client:
        got = matrix_of(client.classify(records, model="notes"))
    np.testing.assert_allclose(got, classify_directly(stored_notes.root, records)[1], atol=1e-6)


def test_labels_of_the_caller_s(server: Server) -> None:
    with Client(server.url) as client:
        answer = client.classify(["rice and trays", RECORDS[1]], candidate_labels=["rice", "server", "vectors"])
    assert answer.model == "tiny"
    assert answer.assigned(0) == ["rice"]
    for row in answer.labels:
        assert {scored.label for scored in row} == {"rice", "server", "vectors"}
        assert sum(scored.score for scored in row) == pytest.approx(1, abs=1e-5)


def test_the_text_encoder_answers_beside(server: Server, tiny: Bundle) -> None:
    with Client(server.url) as client:
        np.testing.assert_allclose(client.embed(TEXTS).vectors, embed_directly(tiny.root, TEXTS), atol=1e-6)
        listed = {model["name"]: model for model in client.models()}
    assert [listed[name]["labels"] for name in ("tiny", "tales", "notes")] == [None, 5, 5]
    assert listed["tales"]["training_data"]["description"] == "five keywords"


def test_a_thousand_records_in_one_call(server: Server, tales: Bundle) -> None:
    records = [{"title": f"Number {number}", "description": TEXTS[number % 5]} for number in range(1000)]
    with Client(server.url) as client:
        answer = client.classify(records)
    assert (len(answer.labels), answer.errors) == (1000, {})
    expected = classify_directly(tales.root, records[::50])[1]
    np.testing.assert_allclose(matrix_of(answer)[::50], expected, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(texts=st.lists(words, min_size=2, max_size=20))
def test_a_decision_does_not_depend_on_its_batch(server: Server, texts: list[str]) -> None:
    with Client(server.url) as client:
        together = matrix_of(client.classify(texts))
        alone = np.concatenate([matrix_of(client.classify(text)) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_metrics_and_the_specification_know_the_route(server: Server) -> None:
    httpx.post(f"{server.url}/classify", json={"inputs": "dragon"})
    httpx.post(f"{server.url}/classify", json={"inputs": 5})
    metrics = httpx.get(f"{server.url}/metrics").text
    for status in (200, 422):
        assert f'jubako_request_seconds_count{{endpoint="/classify",status="{status}"}}' in metrics
    assert "/classify" in httpx.get(f"{server.url}/openapi.json").json()["paths"]
    assert "classify" in str(httpx.get(f"{server.url}/schema.json").json())
