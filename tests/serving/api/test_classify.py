from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import orjson
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bundle.bundle import Bundle
from features.labels import Label, LabelSet
from serving.api.classify import label_lists
from serving.classifying import Classified, LabelName
from serving.core import Core
from serving.model import Result
from tests.serving.api.conftest import post
from tests.tiny_classifier import LABELS, TEXTS, classify_directly

RECORDS: list[Any] = [
    "A dragon at a wedding",
    {"title": "Orbit", "description": "A <b>detective</b> among the stars"},
    {"title": "Murder", "authors": ["A. Author", "B. Author"], "description": None},
    *TEXTS,
]

records = st.one_of(
    st.text(st.sampled_from("abdegrnot 数é\n"), min_size=1, max_size=60).filter(str.strip),
    st.fixed_dictionaries({"title": st.sampled_from(TEXTS)}, optional={"description": st.sampled_from(TEXTS)}),
)


async def classify(client: httpx.AsyncClient, inputs: Any, **options: Any) -> list[list[dict[str, Any]]]:
    response = await post(client, "/classify", inputs=inputs, **options)
    assert response.status_code == 200, response.text
    return [item["labels"] for item in response.json()["data"]]


def scores_of(labels: Sequence[dict[str, Any]]) -> list[float]:
    """Return the scores in the order of the classifier's labels."""
    told = {label["label"]: label["score"] for label in labels}
    return [told[label.label] for label in LABELS.labels]


async def test_scores_and_decisions_are_those_of_the_graph(client: httpx.AsyncClient, tales: Bundle) -> None:
    label_set, scores, assigned = classify_directly(tales.root, RECORDS)
    for labels, row, given_labels in zip(await classify(client, RECORDS), scores, assigned, strict=True):
        np.testing.assert_allclose(scores_of(labels), row, atol=1e-6)
        told = {label["label"] for label in labels if label["assigned"]}
        assert told == {label.label for label, yes in zip(label_set.labels, given_labels, strict=True) if yes}


async def test_the_answer_has_the_contract_s_shape(client: httpx.AsyncClient) -> None:
    response = await post(client, "/classify", inputs=RECORDS)
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert (body["model"], body["version"]) == ("tales", "1")
    assert [item["index"] for item in body["data"]] == list(range(len(RECORDS)))
    assert body["usage"]["tokens"] > len(RECORDS)
    names = {label.label: label.name for label in LABELS.labels}
    for item in body["data"]:
        assert {label["label"]: label["name"] for label in item["labels"]} == names
        ranked = [label["score"] for label in item["labels"]]
        assert ranked == sorted(ranked, reverse=True)
    assert {part.split(";")[0].strip() for part in response.headers["server-timing"].split(",")} == {
        "tokenize", "queue", "compute"
    }  # fmt: skip


async def test_a_single_text_or_record_is_a_list_of_one(client: httpx.AsyncClient) -> None:
    for single in RECORDS[:2]:
        together, alone = [(await post(client, "/classify", inputs=value)).json() for value in ([single], single)]
        assert together == alone


async def test_a_text_is_the_body_of_a_record(client: httpx.AsyncClient) -> None:
    assert await classify(client, "a dragon") == await classify(client, {"description": "a dragon"})


async def test_top_k_keeps_the_best(client: httpx.AsyncClient) -> None:
    full, best = await classify(client, RECORDS), await classify(client, RECORDS, top_k=2)
    assert best == [labels[:2] for labels in full]
    assert await classify(client, RECORDS, top_k=99) == full


async def test_a_threshold_takes_the_place_of_the_labels_own_and_leaves_nothing_out(client: httpx.AsyncClient) -> None:
    [labels] = await classify(client, "a detective", threshold=0.9)
    assert len(labels) == 5
    assert not any(label["assigned"] for label in labels)
    [labels] = await classify(client, "a detective", threshold=0.0)
    assert all(label["assigned"] for label in labels)


async def test_without_a_threshold_the_best_label_is_assigned_where_none_passes(client: httpx.AsyncClient) -> None:
    [labels] = await classify(client, "rice")
    assert [label["assigned"] for label in labels] == [True, False, False, False, False]
    assert labels[0]["score"] < 0.3


async def test_what_a_label_implies_is_assigned_with_it_and_scores_no_less(client: httpx.AsyncClient) -> None:
    [labels] = await classify(client, "a detective")
    told = {label["label"]: label for label in labels}
    assert told["mystery"]["assigned"]
    assert told["crime"]["assigned"]
    assert told["crime"]["score"] >= told["mystery"]["score"]


async def test_one_bad_record_fails_alone(client: httpx.AsyncClient) -> None:
    inputs = ["a dragon", 5, {"title": "a", "titel": "b"}, " ", {"title": None}, {"description": ["x"]}, {"title": "x"}]
    response = await post(client, "/classify", inputs=inputs)
    assert response.status_code == 200
    data = response.json()["data"]
    assert ["labels" in item for item in data] == [True, False, False, False, False, False, True]
    assert [item["error"]["param"] for item in data if "error" in item] == [
        "inputs.1", "inputs.2.titel", "inputs.3", "inputs.4.description", "inputs.5.description",
    ]  # fmt: skip
    assert [data[0]["labels"]] == await classify(client, "a dragon")


async def test_a_long_text_is_cut_or_refused(client: httpx.AsyncClient) -> None:
    long = "dragon " * 4000
    assert (await classify(client, long))[0][0]["label"] == "fantasy"
    response = await post(client, "/classify", inputs=[long, "short"], truncate=False)
    error = response.json()["data"][0]["error"]
    assert (error["code"], error["param"]) == ("too_long", "inputs.0")
    assert "20000 characters" in error["message"]
    response = await post(client, "/classify", inputs="dragon " * 40, model="notes", truncate=False)
    assert "32 tokens" in response.json()["error"]["message"]


async def test_a_model_of_tokens_and_n_grams_reads_papers(client: httpx.AsyncClient, stored_notes: Bundle) -> None:
    inputs: list[Any] = ["a dragon", {"title": "Orbit", "abstract": "the $\\alpha$ of rice and vegetables"}]
    _, scores, _ = classify_directly(stored_notes.root, inputs)
    got = [scores_of(labels) for labels in await classify(client, inputs, model="notes")]
    np.testing.assert_allclose(got, scores, atol=1e-6)


async def test_a_thousand_records_in_one_call(client: httpx.AsyncClient, tales: Bundle) -> None:
    inputs: list[Any] = [{"title": f"{number}", "description": RECORDS[0]} for number in range(1000)]
    got = [scores_of(labels) for labels in await classify(client, inputs)]
    _, scores, _ = classify_directly(tales.root, inputs[::100])
    assert len(got) == 1000
    np.testing.assert_allclose(got[::100], scores, atol=1e-6)


async def test_labels_of_the_caller_s_are_scored_by_the_text_encoder(client: httpx.AsyncClient) -> None:
    inputs = ["the box holds rice", {"title": "A server", "description": "It answers many questions."}]
    labels = ["rice", "questions", "trays"]
    response = await post(client, "/classify", inputs=inputs, candidate_labels=labels)
    body = response.json()
    assert (response.status_code, body["model"]) == (200, "tiny")
    for item in body["data"]:
        assert {(label["label"], label["name"]) for label in item["labels"]} == {(name, name) for name in labels}
        assert abs(sum(label["score"] for label in item["labels"]) - 1) < 1e-5
        assert [label["assigned"] for label in item["labels"]] == [True, False, False]
    named = await post(
        client, "/classify", inputs=inputs, candidate_labels=["rice", "questions", "trays"], model="tiny"
    )
    assert named.json() == body


async def test_labels_of_the_caller_s_obey_top_k_and_threshold(client: httpx.AsyncClient) -> None:
    [labels] = await classify(client, "rice", candidate_labels=["rice", "trays"], top_k=1, threshold=1.0)
    assert [label["assigned"] for label in labels] == [False]


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inputs=st.lists(records, min_size=1, max_size=20), model=st.sampled_from(["tales", "notes"]))
async def test_a_decision_does_not_depend_on_its_batch(
    core: Core, client: httpx.AsyncClient, inputs: list[Any], model: str
) -> None:
    inputs = [
        {("abstract" if model == "notes" and key == "description" else key): value for key, value in each.items()}
        if isinstance(each, dict)
        else each
        for each in inputs
    ]
    together = [scores_of(labels) for labels in await classify(client, inputs, model=model)]
    alone = [scores_of((await classify(client, [value], model=model))[0]) for value in inputs]
    np.testing.assert_allclose(together, alone, atol=1e-6)


@given(
    scores=st.lists(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=4),
    top_k=st.none() | st.integers(1, 5),
)
def test_the_bytes_hold_each_score_exactly_best_first(scores: list[list[float]], top_k: int | None) -> None:
    names = tuple(LabelName(label, f'"{label}" \\ é') for label in "abc")
    matrix = np.array(scores, dtype=np.float32)
    classified = Classified(names, matrix, matrix > 0.5, Result([], 0))
    for row, told in zip(matrix, label_lists(classified, top_k), strict=True):
        labels = orjson.loads(b"[%b]" % told)
        best = sorted(range(3), key=lambda at: -row[at])[:top_k]
        assert [label["label"] for label in labels] == ["abc"[at] for at in best]
        assert [label["name"] for label in labels] == [names[at].name for at in best]
        assert [np.float32(label["score"]) for label in labels] == [row[at] for at in best]
        assert [label["assigned"] for label in labels] == [bool(row[at] > 0.5) for at in best]


def test_a_label_set_of_one_is_told() -> None:
    one = LabelSet(labels=[Label(label="a", name="A")])
    scores = np.array([[0.25]], dtype=np.float32)
    classified = Classified((LabelName("a", "A"),), scores, one.assign(scores), Result([], 0))
    assert label_lists(classified, None) == [b'{"label":"a","name":"A","score":0.25,"assigned":true}']
