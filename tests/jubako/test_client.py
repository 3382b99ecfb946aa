import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from jubako import AsyncClient, Client, ServerError
from jubako.client import Scored

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
