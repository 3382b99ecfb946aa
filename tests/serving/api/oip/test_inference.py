"""What each kind of model makes of tensors, and that it is what the other endpoints say."""

import json
from math import prod
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from serving.core import Core
from tests.serving.api.oip.conftest import infer, post_infer, tensor
from tests.serving.recommenders import BOOKS, Made

TEXTS = ["hello world", "", "数据", "a box of rice"]


def array(output: dict[str, Any]) -> Any:
    return np.array(output["data"]).reshape(output["shape"])


async def contract(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.post(path, json=body)).json()
    return answer


async def test_an_encoder_gives_the_vectors_of_the_embed_endpoint(client: httpx.AsyncClient) -> None:
    outputs = await infer(client, "tiny", tensor("text", TEXTS))
    told = await contract(client, "/embed", inputs=TEXTS)
    assert outputs.keys() == {"embedding"}
    assert (outputs["embedding"]["datatype"], outputs["embedding"]["shape"]) == ("FP32", [4, 32])
    assert array(outputs["embedding"]).tolist() == [item["embedding"] for item in told["data"]]


@pytest.mark.parametrize(
    ("dtype", "datatype", "width"), [("float16", "FP16", 16), ("int8", "INT8", 16), ("binary", "UINT8", 2)]
)
async def test_vectors_come_in_the_form_that_parameters_ask_for(
    client: httpx.AsyncClient, dtype: str, datatype: str, width: int
) -> None:
    outputs = await infer(client, "tiny", tensor("text", TEXTS), output_dtype=dtype, dimensions=16)
    told = await contract(client, "/embed", inputs=TEXTS, output_dtype=dtype, dimensions=16)
    assert (outputs["embedding"]["datatype"], outputs["embedding"]["shape"]) == (datatype, [4, width])
    assert array(outputs["embedding"]).tolist() == [item["embedding"] for item in told["data"]]
    if dtype == "int8":
        expected = np.array([item["scale"] for item in told["data"]], dtype=np.float32)
        assert outputs["scale"]["datatype"] == "FP32"
        np.testing.assert_array_equal(array(outputs["scale"]).astype(np.float32), expected)
    else:
        assert "scale" not in outputs


@pytest.mark.parametrize("shape", [[4], [4, 1], [1, 4]])
async def test_a_batch_may_have_a_second_dimension(client: httpx.AsyncClient, shape: list[int]) -> None:
    outputs = await infer(client, "tiny", tensor("text", TEXTS, shape))
    assert outputs["embedding"]["shape"] == [4, 32]


async def test_a_classifier_gives_its_labels_best_first(client: httpx.AsyncClient) -> None:
    texts = ["dragon dragon", "a kiss"]
    told = await contract(client, "/classify", inputs=texts, model="tales")
    outputs = await infer(client, "tales", tensor("text", texts))
    assert list(outputs) == ["label", "name", "score", "assigned"]
    for field, output in outputs.items():
        expected = [[label[field] for label in item["labels"]] for item in told["data"]]
        assert output["shape"] == [2, 5]
        assert array(output).tolist() == expected
    few = await infer(client, "tales", tensor("text", texts), top_k=2, threshold=0.01)
    assert few["label"]["shape"] == [2, 2]
    assert array(few["label"]).tolist() == array(outputs["label"])[:, :2].tolist()
    assert array(few["assigned"]).all()


async def test_a_classifier_reads_records(client: httpx.AsyncClient) -> None:
    record = {"title": "The Dragon", "description": "a dragon"}
    told = await contract(client, "/classify", inputs=[record], model="tales")
    outputs = await infer(client, "tales", tensor("record", [json.dumps(record)]))
    assert array(outputs["score"])[0].tolist() == [label["score"] for label in told["data"][0]["labels"]]


async def test_an_encoder_chooses_among_labels_of_the_caller_s(client: httpx.AsyncClient) -> None:
    labels = ["rice", "trays"]
    told = await contract(client, "/classify", inputs=TEXTS[:1], candidate_labels=labels)
    outputs = await infer(client, "tiny", tensor("text", TEXTS[:1]), candidate_labels=json.dumps(labels))
    assert array(outputs["label"])[0].tolist() == [label["label"] for label in told["data"][0]["labels"]]
    assert array(outputs["score"])[0].tolist() == [label["score"] for label in told["data"][0]["labels"]]


async def test_a_recommender_answers_a_person(client: httpx.AsyncClient) -> None:
    filters, exclude = {"any": {"tags": ["fantasy", "horror"]}}, ["104", 108]
    user = {"id": "ann", "history": ["103", "nothing"], "attributes": {"age": 30}}
    told = await contract(
        client, "/recommend", user=user, k=4, filters=filters, exclude=exclude, diversity=0.3, exclude_seen=False
    )
    outputs = await infer(
        client, "books", tensor("user", ["ann"]), tensor("history", ["103", "nothing"]),
        tensor("attributes", ['{"age": 30}']), k=4, filters=json.dumps(filters), exclude=json.dumps(exclude),
        diversity=0.3, exclude_seen=False,
    )  # fmt: skip
    assert list(outputs) == ["id", "title", "score", "strategy", "cold_start", "unknown"]
    for field in ("id", "title", "score"):
        assert array(outputs[field]).tolist() == [item[field] for item in told["items"]]
    assert outputs["strategy"]["data"] == [told["strategy"]] == ["user"]
    assert outputs["cold_start"]["data"] == [told["cold_start"]] == [False]
    assert outputs["unknown"]["data"] == told["unknown"] == ["nothing"]


async def test_a_recommender_answers_what_is_like_items(client: httpx.AsyncClient) -> None:
    told = await contract(client, "/recommend", items=["101", "105"], k=3)
    as_texts = await infer(client, "books", tensor("items", ["101", "105"]), k=3)
    as_numbers = await infer(client, "books", tensor("items", [101, 105], datatype="INT64"), k=3)
    assert as_texts == as_numbers
    assert as_texts["id"]["data"] == [item["id"] for item in told["items"]]
    assert as_texts["unknown"]["shape"] == [0]


async def test_a_request_without_tensors_asks_for_what_is_popular(client: httpx.AsyncClient) -> None:
    outputs = await infer(client, "books", k=2)
    assert (outputs["strategy"]["data"], outputs["cold_start"]["data"]) == (["popularity"], [True])


async def test_reasons_are_told_when_they_are_asked_for(client: httpx.AsyncClient) -> None:
    told = await contract(client, "/recommend", items=["101"], k=2, explain=True)
    expected = [item["reasons"] for item in told["items"]]
    by_name = await infer(client, "books", tensor("items", ["101"]), outputs=("reasons",), k=2)
    assert [json.loads(each) for each in by_name["reasons"]["data"]] == expected
    by_parameter = await infer(client, "books", tensor("items", ["101"]), k=2, explain=True)
    assert by_parameter["reasons"] == by_name["reasons"]
    refused = await post_infer(client, "books", tensor("items", ["101"]), outputs=("reasons",), explain=False)
    assert refused.status_code == 422
    assert "explain" in refused.json()["error"]


async def test_a_recommender_embeds_items_records_and_people(client: httpx.AsyncClient, books: Made) -> None:
    by_id = await infer(client, "books", tensor("item", ["103", "104"]))
    np.testing.assert_allclose(array(by_id["embedding"]), books.catalogue.vectors[3:5], atol=1e-6)
    record = tensor("record", [json.dumps(BOOKS[5])])
    by_record = await infer(client, "books", record, outputs=("embedding",))
    np.testing.assert_allclose(array(by_record["embedding"])[0], books.catalogue.vectors[5], atol=1e-6)
    assert by_record == await infer(client, "books", record, task="embed")
    told = await contract(client, "/embed", inputs=[{"user": {"id": "ann"}}], model="books")
    by_person = await infer(client, "books", tensor("person", ['{"id": "ann"}']))
    assert array(by_person["embedding"])[0].tolist() == told["data"][0]["embedding"]


async def test_a_record_may_be_recommended_from_when_the_request_says_so(client: httpx.AsyncClient) -> None:
    record = tensor("record", ['{"tags": ["fantasy"]}'])
    told = await contract(client, "/recommend", record={"tags": ["fantasy"]}, k=10)
    by_task = await infer(client, "books", record, task="recommend")
    by_parameter = await infer(client, "books", record, k=10)
    by_output = await infer(client, "books", record, outputs=("id",))
    assert by_task["id"]["data"] == [item["id"] for item in told["items"]]
    assert by_task["id"] == by_parameter["id"] == by_output["id"]


async def test_outputs_are_chosen_and_ordered_by_the_request(client: httpx.AsyncClient) -> None:
    outputs = await infer(client, "tales", tensor("text", ["a"]), outputs=("score", "label"))
    assert list(outputs) == ["score", "label"]


async def test_the_first_input_at_fault_fails_the_request(client: httpx.AsyncClient) -> None:
    response = await post_infer(client, "tiny", tensor("text", ["a", "of " * 200]), truncate=False)
    assert response.status_code == 422
    assert response.json()["error"].startswith("too_long: ")
    assert "text.1" in response.json()["error"]


BAD: list[tuple[str, str, list[dict[str, Any]], dict[str, Any], int, str, str]] = [
    ("an unknown model", "bookz", [tensor("text", ["a"])], {}, 404, "unknown_model", "bookz"),
    ("a task of other models", "tales", [tensor("text", ["a"])], {"task": "embed"}, 404, "unknown_model", "tiny"),
    ("no task at all", "tiny", [tensor("text", ["a"])], {"task": "dance"}, 422, "invalid_value", "task"),
    ("an unknown input", "tiny", [tensor("txt", ["a"])], {}, 422, "invalid_value", "text"),
    ("an input of another task", "tales", [tensor("item", ["1"])], {}, 422, "invalid_value", "record, text"),
    ("an unknown parameter", "tiny", [tensor("text", ["a"])], {"top": 1}, 422, "invalid_value", "'top'"),
    ("a parameter of another task", "tales", [tensor("text", ["a"])], {"k": 1}, 422, "invalid_value", "'k'"),
    ("no input", "tiny", [], {}, 422, "invalid_value", "text is missing"),
    ("nothing to embed", "books", [], {"task": "embed"}, 422, "invalid_value", "item or person or record is missing"),
    ("labels without labels", "tiny", [tensor("text", ["a"])], {"top_k": 1}, 404, "unknown_model", "tales"),
    ("labels for nothing", "tiny", [], {"candidate_labels": '["a", "b"]'}, 422, "invalid_value", "text or record"),
    ("one input twice", "tiny", [tensor("text", ["a"])] * 2, {}, 422, "invalid_value", "twice"),
    ("text and record", "tales", [tensor("text", ["a"]), tensor("record", ["{}"])], {}, 422, "invalid_value",
     "for one"),
    ("embed or recommend", "books", [tensor("record", ["{}"])], {}, 422, "invalid_value", "task"),
    ("tasks that clash", "books", [tensor("item", ["101"])], {"k": 3}, 422, "invalid_value", "do not go together"),
    ("no elements", "tiny", [tensor("text", [])], {}, 422, "invalid_value", "empty"),
    ("a matrix of texts", "tiny", [tensor("text", ["a"] * 4, [2, 2])], {}, 422, "invalid_value", "[2, 2]"),
    ("floats", "tiny", [tensor("text", [0.5], datatype="FP32")], {}, 422, "invalid_value", "BYTES"),
    ("numbers in place of texts", "tiny", [tensor("text", [5], datatype="INT64")], {}, 422, "invalid_value", "BYTES"),
    ("too many texts", "tiny", [tensor("text", ["a"] * 21)], {}, 413, "too_large", "20"),
    ("far too many texts", "tiny", [tensor("text", [], [10**9])], {}, 413, "too_large", "split"),
    ("a record that is no JSON", "tales", [tensor("record", ["{"])], {}, 422, "invalid_value", "record.0"),
    ("a record that is a list", "tales", [tensor("record", ["[]"])], {}, 422, "invalid_value", "record.0"),
    ("a misspelt field", "tales", [tensor("record", ['{"titel": "x"}'])], {}, 422, "invalid_value", "record.0.titel"),
    ("unknown items alone", "books", [tensor("items", ["998", "999"])], {}, 404, "unknown_item", "items"),
    ("an unknown item to embed", "books", [tensor("item", ["999"])], {}, 404, "unknown_item", "item.0"),
    ("two people", "books", [tensor("user", ["ann", "bob"])], {}, 422, "invalid_value", "2 elements"),
    ("a person and items", "books", [tensor("user", ["ann"]), tensor("items", ["101"])], {}, 422, "invalid_value",
     "user and items"),
    ("an unknown attribute", "books", [tensor("attributes", ['{"x": 1}'])], {}, 422, "invalid_value", "attributes.x"),
    ("a person's bad history", "books", [tensor("person", ['{"history": [1.5]}'])], {}, 422, "invalid_value",
     "person.0.history.0"),
    ("k of zero", "books", [], {"k": 0}, 422, "invalid_value", "k"),
    ("filters that are no JSON", "books", [], {"filters": "{"}, 422, "invalid_value", "filters"),
    ("filters that are a list", "books", [], {"filters": "[]"}, 422, "invalid_value", "filters"),
    ("filters that are a number", "books", [], {"filters": 5}, 422, "invalid_value", "filters"),
    ("candidates that are no list", "tiny", [tensor("text", ["a"])], {"candidate_labels": '"x"'}, 422, "invalid_value",
     "candidate_labels"),
    ("candidates for a classifier", "tales", [tensor("text", ["a"])], {"candidate_labels": '["x", "y"]'}, 422,
     "invalid_value", "candidate_labels"),
    ("untrained dimensions", "tiny", [tensor("text", ["a"])], {"dimensions": 5}, 422, "invalid_value", "dimensions"),
    ("an unknown dtype", "tiny", [tensor("text", ["a"])], {"output_dtype": "int4"}, 422, "invalid_value",
     "output_dtype"),
    ("no time", "tiny", [tensor("text", ["a"])], {"timeout": 0}, 422, "invalid_value", "timeout"),
    ("a time in words", "tiny", [tensor("text", ["a"])], {"timeout": "soon"}, 422, "invalid_value", "timeout"),
    ("hardly any time", "tiny", [tensor("text", ["a"])], {"timeout": 1}, 504, "deadline", ""),
]  # fmt: skip


@pytest.mark.parametrize(("model", "inputs", "parameters", "status", "code", "hint"), [case[1:] for case in BAD],
                         ids=[case[0] for case in BAD])  # fmt: skip
async def test_what_cannot_be_answered_is_refused_with_what_to_do(
    client: httpx.AsyncClient,
    model: str,
    inputs: list[dict[str, Any]],
    parameters: dict[str, Any],
    status: int,
    code: str,
    hint: str,
) -> None:
    response = await post_infer(client, model, *inputs, **parameters)
    told = response.json()["error"]
    assert (response.status_code, told.split(": ")[0]) == (status, code)
    assert hint in told


@pytest.mark.parametrize(
    ("outputs", "hint"), [(("scale",), "int8"), (("vector",), "embedding"), (("embedding", "embedding"), "twice")]
)
async def test_outputs_that_cannot_be_had_are_refused(
    client: httpx.AsyncClient, outputs: tuple[str, ...], hint: str
) -> None:
    response = await post_infer(client, "tiny", tensor("text", ["a"]), outputs=outputs)
    assert response.status_code == 422
    assert hint in response.json()["error"]


async def test_the_shorter_of_two_time_limits_holds(client: httpx.AsyncClient, core: Core) -> None:
    body = {"inputs": [tensor("text", ["a"])], "parameters": {"timeout": 10_000_000}}
    late = {"x-request-timeout-ms": "0.001"}
    response = await client.post("/v2/models/tiny/infer", json=body, headers=late)
    assert response.status_code == 504


NAMES = ["text", "record", "user", "history", "attributes", "items", "item", "person", "x"]
ELEMENTS = st.sampled_from(
    ["a dragon", "", "101", "999", "{}", "[]", '{"title": "x"}', '{"id": "ann"}', '{"age": 30}', "nul"]
)
TENSORS = st.builds(
    lambda name, data, flat: tensor(name, data, None if flat else [len(data), 1]),
    st.sampled_from(NAMES),
    st.lists(ELEMENTS, max_size=3),
    st.booleans(),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "task": st.sampled_from(["embed", "classify", "recommend", "x"]),
    "k": st.integers(-1, 60),
    "top_k": st.integers(-1, 9),
    "threshold": st.floats(-0.5, 1.5),
    "candidate_labels": st.sampled_from(['["a", "b"]', "[]", "x"]),
    "filters": st.sampled_from(["{}", '{"any": {"tags": "fantasy"}}', '{"any": 1}', "{"]),
    "exclude": st.sampled_from(['["101"]', "[1.5]", "5"]),
    "explain": st.booleans(),
    "diversity": st.floats(-0.5, 1.5),
    "dimensions": st.integers(0, 40),
    "output_dtype": st.sampled_from(["float16", "int8", "binary", "x"]),
    "normalize": st.booleans(),
    "truncate": st.booleans(),
    "prompt": st.just("query"),
}
PARAMETERS = st.lists(st.sampled_from(sorted(VALUES)), max_size=2, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: VALUES[name] for name in names})
)
OUTPUTS = st.lists(st.sampled_from(["embedding", "scale", "label", "score", "id", "reasons", "unknown"]), max_size=2)


@given(st.sampled_from(["tiny", "tales", "books"]), st.lists(TENSORS, max_size=2), PARAMETERS, OUTPUTS)
@hypothesis_settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_asked_is_answered_or_refused(
    client: httpx.AsyncClient, model: str, inputs: list[Any], parameters: dict[str, Any], outputs: list[str]
) -> None:
    response = await post_infer(client, model, *inputs, outputs=tuple(outputs), **parameters)
    assert response.status_code in (200, 404, 413, 422), response.text
    if response.status_code == 200:
        told = response.json()["outputs"]
        assert [output["name"] for output in told] == outputs or not outputs
        assert all(len(output["data"]) == prod(output["shape"]) for output in told)
    else:
        assert len(response.json()["error"]) > 20
