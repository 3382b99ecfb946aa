import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from jubako import AsyncClient, Client, Reason, RecommendedItem, Scored, ServerError

Handler = Callable[[httpx.Request], httpx.Response]

BUSY = {"error": {"code": "overloaded", "message": "retry after the given time", "param": None}}
GOOD = {"model": "text", "version": "1", "usage": {"tokens": 3}, "data": [{"index": 0, "embedding": "AACAPwAAAAA="}]}


class Busy:
    """Refuses `times` requests before it answers, and remembers what it was asked."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.bodies: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.content))
        if self.left:
            self.left -= 1
            return httpx.Response(429, json=BUSY, headers={"retry-after": "2"})
        return httpx.Response(200, json=GOOD)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    monkeypatch.setattr("jubako.client.time.sleep", naps.append)
    monkeypatch.setattr("jubako.client.asyncio.sleep", nap)
    return naps


def client_of(handler: Handler, retries: int = 3) -> Client:
    client = Client("http://test", retries=retries)
    client._http = httpx.Client(transport=httpx.MockTransport(handler), base_url="http://test")
    return client


def test_a_busy_server_is_asked_again_after_the_time_it_names(slept: list[float]) -> None:
    with client_of(Busy(2)) as client:
        answer = client.embed("a")
    assert slept == [2.0, 2.0]
    np.testing.assert_array_equal(answer.vectors, [[1.0, 0.0]])


def test_a_server_that_stays_busy_is_an_error(slept: list[float]) -> None:
    with client_of(Busy(9), retries=1) as client, pytest.raises(ServerError) as caught:
        client.embed("a")
    assert (caught.value.status, caught.value.code) == (429, "overloaded")
    assert slept == [2.0]


async def test_the_async_client_does_the_same(slept: list[float]) -> None:
    async with AsyncClient("http://test") as client:
        client._http = httpx.AsyncClient(transport=httpx.MockTransport(Busy(1)), base_url="http://test")
        assert (await client.embed(["a"])).tokens == 3
    assert slept == [2.0]


def test_options_are_passed_on() -> None:
    server = Busy(0)
    with client_of(server) as client:
        client.embed("a", model="text", dimensions=2)
    assert server.bodies == [{"inputs": ["a"], "model": "text", "dimensions": 2, "encoding_format": "base64"}]


def test_an_answer_outside_the_contract_is_told_as_it_is() -> None:
    with (
        client_of(lambda _: httpx.Response(502, text="<html>bad gateway</html>")) as client,
        pytest.raises(ServerError, match=r"502.*bad gateway"),
    ):
        client.embed("a")


CLASSIFIED = {
    "model": "genres", "version": "1", "usage": {"tokens": 3}, "data": [
        {"index": 0, "labels": [
            {"label": "war", "name": "War", "score": 0.9, "assigned": True, "rank": 1},
            {"label": "poetry", "name": "Poetry", "score": 0.2, "assigned": False, "rank": 2},
        ]},
        {"index": 1, "error": {"code": "invalid_value", "message": "the text is blank", "param": "inputs.1"}},
    ],
}  # fmt: skip


class Classifier:
    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.path) == ("POST", "/classify")
        self.bodies.append(json.loads(request.content))
        return httpx.Response(200, json=CLASSIFIED)


def test_labels_come_typed_and_errors_by_index() -> None:
    with client_of(Classifier()) as client:
        answer = client.classify(["a war", " "])
    assert answer.labels == [[Scored("war", "War", 0.9, True), Scored("poetry", "Poetry", 0.2, False)], []]
    assert answer.assigned(0) == ["war"]
    assert (answer.errors[1].code, answer.errors[1].param) == ("invalid_value", "inputs.1")
    with pytest.raises(ServerError, match="blank"):
        answer.assigned(1)
    assert (answer.model, answer.version, answer.tokens) == ("genres", "1", 3)


def test_a_single_record_is_a_list_of_one_and_only_what_is_asked_is_sent() -> None:
    server = Classifier()
    with client_of(server) as client:
        client.classify({"title": "War"}, top_k=3)
        client.classify("War", model="genres", threshold=0.0, candidate_labels=["a", "b"], truncate=False)
    assert server.bodies == [
        {"inputs": [{"title": "War"}], "top_k": 3, "truncate": True},
        {"inputs": ["War"], "model": "genres", "threshold": 0.0, "candidate_labels": ["a", "b"], "truncate": False},
    ]


async def test_the_async_client_classifies_too() -> None:
    async with AsyncClient("http://test") as client:
        client._http = httpx.AsyncClient(transport=httpx.MockTransport(Classifier()), base_url="http://test")
        assert (await client.classify({"title": "War"})).assigned(0) == ["war"]


RECOMMENDED = {
    "model": "books", "version": "2", "strategy": "user", "cold_start": False, "unknown": ["9"],
    "usage": {"tokens": 4}, "later": 1, "items": [
        {"id": "7", "score": 0.5, "title": "Seven", "reasons": [
            {"kind": "nearest", "id": "1", "title": "One", "similarity": 0.9},
            {"kind": "shared", "field": "tags", "values": ["war"], "since": "later"},
            {"kind": "score", "similarity": 0.5, "cosine": 0.4, "popularity": 0.01},
        ]},
        {"id": "8", "score": 0.25},
    ],
}  # fmt: skip


class Recommender:
    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.path) == ("POST", "/recommend")
        self.bodies.append(json.loads(request.content))
        return httpx.Response(200, json=RECOMMENDED)


def test_recommendations_come_typed() -> None:
    with client_of(Recommender()) as client:
        answer = client.recommend(5, explain=True)
    assert answer.ids == ["7", "8"]
    assert answer.items == [
        RecommendedItem("7", 0.5, "Seven", (
            Reason("nearest", id="1", title="One", similarity=0.9),
            Reason("shared", field="tags", values=("war",)),
            Reason("score", similarity=0.5, cosine=0.4, popularity=0.01),
        )),
        RecommendedItem("8", 0.25),
    ]  # fmt: skip
    assert (answer.strategy, answer.cold_start, answer.unknown) == ("user", False, ("9",))
    assert (answer.model, answer.version) == ("books", "2")


def test_a_user_is_an_id_or_what_is_known_of_them_and_only_what_is_asked_is_sent() -> None:
    server = Recommender()
    always = {"k": 10, "exclude_seen": True, "explain": False}
    with client_of(server) as client:
        client.recommend()
        client.recommend("ann", k=3, exclude=["1", 2], diversity=0.0)
        client.recommend({"history": ["1"], "attributes": {"age": 30}}, exclude_seen=False)
        client.recommend(items=("1", {"title": "War"}), filters={"any": {"tags": "war"}}, model="books")
        client.recommend(record={"title": "War"}, explain=True)
    assert server.bodies == [
        always,
        {**always, "user": {"id": "ann"}, "k": 3, "exclude": ["1", 2], "diversity": 0.0},
        {**always, "user": {"history": ["1"], "attributes": {"age": 30}}, "exclude_seen": False},
        {**always, "items": ["1", {"title": "War"}], "filters": {"any": {"tags": "war"}}, "model": "books"},
        {**always, "record": {"title": "War"}, "explain": True},
    ]


async def test_the_async_client_recommends_too() -> None:
    async with AsyncClient("http://test") as client:
        client._http = httpx.AsyncClient(transport=httpx.MockTransport(Recommender()), base_url="http://test")
        assert (await client.recommend("ann")).ids == ["7", "8"]


def test_a_record_is_embedded_as_a_list_of_one() -> None:
    server = Busy(0)
    with client_of(server) as client:
        client.embed({"title": "War"}, model="books")
    assert server.bodies[0]["inputs"] == [{"title": "War"}]
