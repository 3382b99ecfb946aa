"""`POST /recommend` and recommenders at `POST /embed`, on the wire."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bundle.bundle import Bundle
from bundle.manifest import Role
from serving.api.front import Front
from serving.core import Core
from serving.loading import load_model
from serving.settings import Settings
from tests.serving.api.conftest import behind_the_front, post
from tests.serving.recommenders import BOOKS, HISTORIES, LIMITS, Made, make_books, make_works

JSON = {"content-type": "application/json"}
IDS = [book["id"] for book in BOOKS]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_books(tmp_path_factory.mktemp("books"))


@pytest.fixture(scope="module")
def core(books: Made, stored_tiny: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    settings = Settings(models=["books", "works", "tiny"], limits=LIMITS)
    works = make_works(tmp_path_factory.mktemp("works"))
    core = Core({"books": books.model, "works": works.model, "tiny": load_model("tiny", settings)}, settings)
    yield core
    core.close()


@pytest.fixture
async def client(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    front = Front(behind_the_front, core.settings)
    front.core = core
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://test") as client:
        yield client


async def recommend(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await post(client, "/recommend", **body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_the_answer_has_the_contract_s_shape(client: httpx.AsyncClient) -> None:
    response = await post(client, "/recommend", user={"id": "ann", "history": [103, "nothing"]}, k=3)
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert body.keys() == {"model", "version", "strategy", "cold_start", "unknown", "items", "usage"}
    assert (body["model"], body["version"], body["strategy"], body["cold_start"]) == ("books", "1", "user", False)
    assert body["unknown"] == ["nothing"]
    assert body["usage"]["tokens"] > 1
    titles = {book["id"]: book["title"] for book in BOOKS}
    for item in body["items"]:
        assert item.keys() == {"id", "score", "title"}
        assert item["title"] == titles[item["id"]]
        assert item["id"] not in [*HISTORIES["ann"], "103"]
    assert {part.split(";")[0].strip() for part in response.headers["server-timing"].split(",")} == {
        "tokenize", "queue", "compute"
    }  # fmt: skip


async def test_scores_are_the_shortest_digits_of_float32(client: httpx.AsyncClient, books: Made) -> None:
    text = (await post(client, "/recommend", items=["101"], k=1)).text
    [item] = json.loads(text)["items"]
    vectors = books.catalogue.vectors
    exact = vectors[IDS.index(item["id"])] @ vectors[1]
    assert np.float32(item["score"]) == pytest.approx(exact, rel=1e-6)
    assert f'"score":{np.float32(item["score"])!s},' in text


async def test_reasons_have_only_what_belongs_to_their_kind(client: httpx.AsyncClient) -> None:
    answer = await recommend(client, user={"id": "ann"}, explain=True)
    for item in answer["items"]:
        by_kind = {reason["kind"]: set(reason) - {"kind"} for reason in item["reasons"]}
        assert by_kind.pop("shared", {"field", "values"}) == {"field", "values"}
        assert by_kind == {"nearest": {"id", "title", "similarity"}, "score": {"similarity", "cosine", "popularity"}}
    for item in (await recommend(client, explain=True))["items"]:
        assert [set(reason) for reason in item["reasons"]] == [{"kind", "popularity"}]


async def test_an_empty_request_asks_for_what_is_popular(client: httpx.AsyncClient) -> None:
    answer = await recommend(client)
    assert (answer["strategy"], answer["cold_start"], len(answer["items"])) == ("popularity", True, 10)
    assert answer == await recommend(client, user=None, items=None, filters=None, exclude=None, diversity=None)


async def test_a_model_is_named_or_the_first(client: httpx.AsyncClient) -> None:
    assert (await recommend(client, items=["101"], model="works"))["model"] == "works"
    response = await post(client, "/recommend", model="tiny")
    assert response.json()["error"]["message"] == "model 'tiny' cannot recommend; loaded models that can: books, works"


async def test_models_tell_what_requests_may_name(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/models")).json()["models"]
    assert [(model["name"], model["items"]) for model in listed] == [("books", 60), ("works", 60), ("tiny", None)]
    shown = (await client.get("/models/books")).json()
    assert (shown["attributes"], shown["filters"]) == (["country", "age"], ["tags", "author"])
    assert (await client.get("/models/works")).json()["attributes"] == []


async def test_a_recommender_embeds_items_records_and_people(client: httpx.AsyncClient, books: Made) -> None:
    inputs = ["103", 104, BOOKS[5], {"user": {"id": "ann"}}, "nothing"]
    response = await post(client, "/embed", inputs=inputs, model="books")
    data = response.json()["data"]
    assert response.status_code == 200
    expected = [*books.catalogue.vectors[3:6], books.encode(Role.USER, {"id": "ann", "history": HISTORIES["ann"]})]
    np.testing.assert_allclose([item["embedding"] for item in data[:4]], expected, atol=1e-6)
    assert (data[4]["error"]["code"], data[4]["error"]["param"]) == ("unknown_item", "inputs.4")
    short = (await post(client, "/embed", inputs="103", model="books", dimensions=4)).json()["data"][0]["embedding"]
    cut = expected[0][:4] / np.linalg.norm(expected[0][:4])
    np.testing.assert_allclose(short, cut, atol=1e-6)


async def test_labels_of_the_caller_s_are_left_to_text_models(client: httpx.AsyncClient) -> None:
    response = await post(client, "/classify", inputs="rice", candidate_labels=["rice", "trays"])
    assert (response.status_code, response.json()["model"]) == (200, "tiny")
    refused = await post(client, "/classify", inputs="rice", candidate_labels=["rice", "trays"], model="books")
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "model")
    assert "text models: tiny" in refused.json()["error"]["message"]


BAD: list[tuple[str, bytes, int, str, str | None]] = [
    ("nothing", b"", 400, "malformed", None),
    ("half a document", b'{"k": 5', 400, "malformed", None),
    ("a list", b"[]", 422, "invalid_value", None),
    ("an unknown field", b'{"context": {}}', 422, "invalid_value", "context"),
    ("an unknown model", b'{"model": "bookz"}', 404, "unknown_model", "model"),
    ("no items", b'{"k": 0}', 422, "invalid_value", "k"),
    ("fewer than none", b'{"k": -1}', 422, "invalid_value", "k"),
    ("very many", b'{"k": 51}', 422, "invalid_value", "k"),
    ("more than a number can hold", b'{"k": 1' + b"0" * 400 + b"}", 422, "invalid_value", "k"),
    ("k an enormous number", b'{"k": 1' + b"0" * 4000 + b"}", 422, "invalid_value", "k"),
    ("k a number without end", b'{"k": 1' + b"0" * 9000 + b"}", 400, "malformed", None),
    ("an enormous id", b'{"items": [1' + b"0" * 4000 + b"]}", 404, "unknown_item", "items"),
    ("half a surrogate pair as an id", b'{"user": {"id": "\\ud800"}}', 400, "malformed", None),
    ("an enormous attribute", b'{"user": {"attributes": {"age": 1' + b"0" * 4000 + b"}}}", 422, "invalid_value",
     "user.attributes"),
    ("an infinite attribute", b'{"user": {"attributes": {"age": 1e999}}}', 422, "invalid_value", "user.attributes"),
    ("an enormous year", b'{"record": {"title": "x", "year": 1' + b"0" * 4000 + b"}}", 422, "invalid_value",
     "record.year"),
    ("a deep filter", b'{"filters": {"any": {"tags": ' + b"[" * 150 + b"]" * 150 + b"}}}", 422, "invalid_value",
     "filters.any.tags"),
    ("a filter NaN", b'{"filters": {"any": {"tags": [NaN]}}}', 422, "invalid_value", "filters.any.tags"),
    ("k a string", b'{"k": "5"}', 422, "invalid_value", "k"),
    ("k a fraction", b'{"k": 1.5}', 422, "invalid_value", "k"),
    ("k a boolean", b'{"k": true}', 422, "invalid_value", "k"),
    ("k null", b'{"k": null}', 422, "invalid_value", "k"),
    ("too much diversity", b'{"diversity": 2}', 422, "invalid_value", "diversity"),
    ("diversity below 0", b'{"diversity": -0.1}', 422, "invalid_value", "diversity"),
    ("diversity NaN", b'{"diversity": NaN}', 422, "invalid_value", "diversity"),
    ("diversity a string", b'{"diversity": "0.5"}', 422, "invalid_value", "diversity"),
    ("explain a word", b'{"explain": "why"}', 422, "invalid_value", "explain"),
    ("user a string", b'{"user": "ann"}', 422, "invalid_value", "user"),
    ("user a list", b'{"user": ["ann"]}', 422, "invalid_value", "user"),
    ("a user's misspelt field", b'{"user": {"histroy": []}}', 422, "invalid_value", "user.histroy"),
    ("a user and items", b'{"user": {"id": "ann"}, "items": ["101"]}', 422, "invalid_value", "items"),
    ("items and a record", b'{"items": ["101"], "record": {"title": "x"}}', 422, "invalid_value", "record"),
    ("items empty", b'{"items": []}', 422, "invalid_value", "items"),
    ("items a string", b'{"items": "101"}', 422, "invalid_value", "items"),
    ("an item null", b'{"items": ["101", null]}', 422, "invalid_value", "items.1"),
    ("an item NaN", b'{"items": [NaN]}', 422, "invalid_value", "items.0"),
    ("an item a fraction", b'{"items": [1.0]}', 422, "invalid_value", "items.0"),
    ("unknown items", b'{"items": ["x", 7]}', 404, "unknown_item", "items"),
    ("a misspelt record", b'{"record": {"titel": "x"}}', 422, "invalid_value", "record.titel"),
    ("a record a string", b'{"record": "a title"}', 422, "invalid_value", "record"),
    ("a record with NaN", b'{"record": {"year": NaN, "tags": ["war"]}}', 422, "invalid_value", "record.year"),
    ("a history of objects", b'{"user": {"history": [{}]}}', 422, "invalid_value", "user.history.0"),
    ("a history of booleans", b'{"user": {"history": [true]}}', 422, "invalid_value", "user.history.0"),
    ("a very long history", json.dumps({"user": {"history": ["101"] * 100_000}}).encode(), 413, "too_large",
     "user.history"),
    ("very many exclusions", json.dumps({"exclude": IDS * 2}).encode(), 413, "too_large", "exclude"),
    ("an unknown attribute", b'{"user": {"attributes": {"city": "x"}}}', 422, "invalid_value", "user.attributes.city"),
    ("an attribute NaN", b'{"user": {"attributes": {"age": NaN}}}', 422, "invalid_value", "user.attributes"),
    ("filters a list", b'{"filters": []}', 422, "invalid_value", "filters"),
    ("an unknown condition", b'{"filters": {"all": {}}}', 422, "invalid_value", "filters.all"),
    ("an unknown field to filter by", b'{"filters": {"any": {"genre": "war"}}}', 422, "invalid_value",
     "filters.any.genre"),
    ("a filter null", b'{"filters": {"any": {"tags": null}}}', 422, "invalid_value", "filters.any.tags"),
    ("contradictory filters", b'{"filters": {"required": {"tags": "war"}, "excluded": {"tags": ["WAR"]}}}', 422,
     "invalid_value", "filters.excluded.tags"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "code", "param"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
async def test_bad_input_gets_a_clear_error(
    client: httpx.AsyncClient, body: bytes, status: int, code: str, param: str | None
) -> None:
    response = await client.post("/recommend", content=body, headers=JSON)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    assert len(error["message"]) > 10


async def test_a_time_limit_that_cannot_be_met_is_a_deadline_error(client: httpx.AsyncClient) -> None:
    for body in ({}, {"user": {"id": "ann"}}, {"record": BOOKS[0]}):
        response = await client.post("/recommend", json=body, headers={"x-request-timeout-ms": "0.001"})
        assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline")


async def test_a_wrong_method_is_told_the_right_one(client: httpx.AsyncClient) -> None:
    response = await client.get("/recommend")
    assert (response.status_code, response.headers["allow"]) == (405, "POST, OPTIONS")


async def test_openapi_tells_the_shapes(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    assert set(schemas["RecommendBody"]["properties"]) == {
        "model", "user", "items", "record", "k", "exclude", "exclude_seen", "filters", "diversity", "explain"
    }  # fmt: skip
    assert {"RecommendShape", "RecommendedItem", "Reason"} <= set(schemas)
    example = document["paths"]["/recommend"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert (await post(client, "/recommend", **example)).status_code == 200


scalars = (
    st.none() | st.booleans() | st.integers(-2, 10**20) | st.floats() | st.sampled_from([*IDS[:9], "war", "", "x"])
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "tags", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
ids = st.lists(st.sampled_from(IDS) | st.integers(95, 165) | anything, max_size=4)
records = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("id", "title", "author", "year", "tags", "publisher", "description"), anything)
)
users = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["ann", 5, "nobody"]) | anything,
        "history": ids | anything,
        "attributes": st.dictionaries(st.sampled_from(["country", "age", "city"]), scalars | anything) | anything,
    },
)
values = st.sampled_from(["war", "Horror", "Ben Ink"]) | st.lists(st.sampled_from(["war", "poetry"]), max_size=2)
by_field = st.dictionaries(st.sampled_from(["tags", "author", "genre"]), values | anything, max_size=2)
filters = st.dictionaries(st.sampled_from(["required", "excluded", "any", "all"]), by_field | anything, max_size=3)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["books", "works", "tiny"]) | anything,
        "user": users | anything,
        "items": st.lists(st.sampled_from(IDS) | records | anything, max_size=3) | anything,
        "record": records | anything,
        "k": st.integers(1, 50) | anything,
        "exclude": ids | anything,
        "exclude_seen": st.booleans() | anything,
        "filters": filters | anything,
        "diversity": st.floats(0, 1) | anything,
        "explain": st.booleans() | anything,
    },
)


@hypothesis_settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies)
async def test_whatever_is_sent_is_answered_or_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    response = await client.post("/recommend", content=json.dumps(body).encode(), headers=JSON)
    assert response.status_code in (200, 400, 404, 413, 422), response.text
    answer = response.json()
    if response.status_code == 200:
        assert len(answer["items"]) <= body.get("k", 10)
        scores = [item["score"] for item in answer["items"]]
        assert all(isinstance(score, float) for score in scores)
        if not body.get("diversity"):
            assert scores == sorted(scores, reverse=True)
    else:
        assert len(answer["error"]["message"]) > 10


@hypothesis_settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inputs=st.lists(st.sampled_from(IDS) | records | users.map(lambda user: {"user": user}) | anything, max_size=4))
async def test_whatever_is_to_be_embedded_is_answered_or_refused(client: httpx.AsyncClient, inputs: list[Any]) -> None:
    body = json.dumps({"inputs": inputs, "model": "books"}).encode()
    response = await client.post("/embed", content=body, headers=JSON)
    assert response.status_code in (200, 404, 422), response.text
    if response.status_code == 200:
        assert [item["index"] for item in response.json()["data"]] == list(range(len(inputs)))
