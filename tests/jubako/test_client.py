"""What both clients send and return, over HTTP that is scripted."""

import base64
import gzip
import inspect
import json
import pickle
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from jubako import (
    AsyncClient,
    Client,
    DeadlineError,
    Reason,
    RecommendedItem,
    Scored,
    ServerError,
    ServerUnreachable,
)

Handler = Callable[[httpx.Request], httpx.Response]

GOOD = {"model": "text", "version": "1", "usage": {"tokens": 3}, "data": [{"index": 0, "embedding": "AACAPwAAAAA="}]}


class Recording:
    """Answers every request with the same and remembers what it was asked."""

    def __init__(self, path: str, answer: dict[str, Any]) -> None:
        self.path = path
        self.answer = answer
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == self.path
        self.requests.append(request)
        return httpx.Response(200, json=self.answer)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]


def client_of(handler: Handler, **options: Any) -> Client:
    client = Client("http://test", **options)
    http: Any = client._transport
    headers = http._http.headers
    http._http = httpx.Client(transport=httpx.MockTransport(handler), base_url="http://test", headers=headers)
    return client


def async_client_of(handler: Handler, **options: Any) -> AsyncClient:
    client = AsyncClient("http://test", **options)
    http: Any = client._transport
    http._http = httpx.AsyncClient(transport=httpx.MockTransport(handler), base_url="http://test")
    return client


def test_only_what_is_asked_is_sent() -> None:
    server = Recording("/embed", GOOD)
    with client_of(server) as client:
        client.embed("a")
        client.embed({"title": "War"}, model="books", dimensions=2, normalize=True, truncate=False)
        client.embed(("a", "b"), prompt="query")
    assert server.bodies == [
        {"inputs": ["a"], "encoding_format": "base64"},
        {
            "inputs": [{"title": "War"}], "encoding_format": "base64", "model": "books", "dimensions": 2,
            "normalize": True, "truncate": False,
        },
        {"inputs": ["a", "b"], "encoding_format": "base64", "prompt": "query"},
    ]  # fmt: skip


def test_a_request_carries_its_time_its_name_and_the_key() -> None:
    server = Recording("/embed", GOOD)
    with client_of(server, timeout_s=2, api_key="secret", headers={"X-Team": "search"}) as client:
        client.embed("a")
        client.embed("a", timeout_s=0.5, request_id="mine")
    first, second = (request.headers for request in server.requests)
    assert 1900 <= int(first["x-request-timeout-ms"]) <= 2000
    assert 400 <= int(second["x-request-timeout-ms"]) <= 500
    assert (first["authorization"], first["x-team"]) == ("Bearer secret", "search")
    assert first["user-agent"].startswith("jubako-python")
    assert len(first["x-request-id"]) == 32
    assert second["x-request-id"] == "mine"


def test_a_large_body_is_compressed_where_that_is_asked_for() -> None:
    server = Recording("/embed", GOOD)
    with client_of(server, compression="gzip") as client:
        client.embed("a" * 5000)
        client.embed("a")
    large, small = server.requests
    assert json.loads(gzip.decompress(large.content))["inputs"] == ["a" * 5000]
    assert (large.headers["content-encoding"], large.headers["accept-encoding"]) == ("gzip", "gzip")
    assert "content-encoding" not in small.headers


def test_vectors_are_not_compressed_unasked() -> None:
    server = Recording("/embed", GOOD)
    with client_of(server) as client:
        client.embed("a")
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_an_answer_outside_the_contract_is_told_as_it_is() -> None:
    with (
        client_of(lambda _: httpx.Response(502, text="<html>bad gateway</html>")) as client,
        pytest.raises(ServerError, match=r"502.*bad gateway"),
    ):
        client.embed("a")


def test_an_error_tells_all_that_the_server_tells() -> None:
    body = {"error": {"code": "invalid_value", "message": "no", "param": "k"}}
    with (
        client_of(lambda _: httpx.Response(422, json=body, headers={"x-request-id": "r1"})) as client,
        pytest.raises(ServerError) as caught,
    ):
        client.recommend(k=3)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.status, error.code, error.message, error.param) == (422, "invalid_value", "no", "k")
    assert (error.request_id, error.retry_after_s, str(error)) == ("r1", None, "invalid_value (422): no")


def test_a_deadline_is_a_timeout_and_an_absence_a_connection_error() -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    def absent(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with client_of(slow) as client, pytest.raises(TimeoutError, match="http://test") as late:
        client.embed("a")
    assert isinstance(pickle.loads(pickle.dumps(late.value)), DeadlineError)
    with (
        client_of(absent, retries=0) as client,
        pytest.raises(ConnectionError, match=r"http://test \(refused\)") as gone,
    ):
        client.embed("a")
    assert isinstance(gone.value, ServerUnreachable)
    assert pickle.loads(pickle.dumps(gone.value)).url == "http://test"


CLASSIFIED = {
    "model": "genres", "version": "1", "usage": {"tokens": 3}, "data": [
        {"index": 0, "labels": [
            {"label": "war", "name": "War", "score": 0.9, "assigned": True, "rank": 1},
            {"label": "poetry", "name": "Poetry", "score": 0.2, "assigned": False, "rank": 2},
        ]},
        {"index": 1, "error": {"code": "invalid_value", "message": "the text is blank", "param": "inputs.1"}},
    ],
}  # fmt: skip


def test_labels_come_typed_and_errors_by_index() -> None:
    with client_of(Recording("/classify", CLASSIFIED)) as client:
        answer = client.classify(["a war", " "])
    assert answer.labels == [[Scored("war", "War", 0.9, True), Scored("poetry", "Poetry", 0.2, False)], []]
    assert answer.assigned(0) == ["war"]
    assert (answer.errors[1].code, answer.errors[1].param, answer.errors[1].status) == (
        "invalid_value", "inputs.1", 422,
    )  # fmt: skip
    with pytest.raises(ServerError, match="blank"):
        answer.assigned(1)
    assert (answer.model, answer.version, answer.tokens) == ("genres", "1", 3)


async def test_a_single_record_is_a_list_of_one() -> None:
    server = Recording("/classify", CLASSIFIED)
    async with async_client_of(server) as client:
        assert (await client.classify({"title": "War"}, top_k=3)).assigned(0) == ["war"]
        await client.classify("War", model="genres", threshold=0.0, candidate_labels=("a", "b"), truncate=False)
    assert server.bodies == [
        {"inputs": [{"title": "War"}], "top_k": 3},
        {"inputs": ["War"], "model": "genres", "threshold": 0.0, "candidate_labels": ["a", "b"], "truncate": False},
    ]


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


def test_recommendations_come_typed() -> None:
    with client_of(Recording("/recommend", RECOMMENDED)) as client:
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
    assert (answer.model, answer.version, answer.tokens) == ("books", "2", 4)


async def test_a_user_is_an_id_or_what_is_known_of_them() -> None:
    server = Recording("/recommend", RECOMMENDED)
    async with async_client_of(server) as client:
        await client.recommend()
        await client.recommend("ann", k=3, exclude=("1", 2), diversity=0.0)
        await client.recommend({"history": ["1"], "attributes": {"age": 30}}, exclude_seen=False)
        await client.recommend(items=("1", {"title": "War"}), filters={"any": {"tags": "war"}}, model="books")
        await client.recommend(record={"title": "War"}, explain=True)
    assert server.bodies == [
        {"k": 10},
        {"k": 3, "user": {"id": "ann"}, "exclude": ["1", 2], "diversity": 0.0},
        {"k": 10, "user": {"history": ["1"], "attributes": {"age": 30}}, "exclude_seen": False},
        {"k": 10, "items": ["1", {"title": "War"}], "filters": {"any": {"tags": "war"}}, "model": "books"},
        {"k": 10, "record": {"title": "War"}, "explain": True},
    ]


def test_a_model_s_name_is_a_part_of_the_path() -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path)
        return httpx.Response(200, json={"name": "a/b"})

    with client_of(answer) as client:
        assert client.model("a/b c?d") == {"name": "a/b"}
    assert asked == [b"/models/a%2Fb%20c%3Fd"]


def test_one_text_is_no_stream() -> None:
    with Client() as client, pytest.raises(TypeError, match=r"embed\(\) is for one"):
        client.embed_stream("rice")


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://localhost", "http://", "grpc:localhost"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ValueError, match="write one of http://, https://, grpc://, grpcs://"):
        Client(url)


@pytest.mark.parametrize("name", ["embed", "embed_stream", "classify", "recommend", "models", "model"])
def test_both_clients_show_the_arguments_and_the_documentation_of_a_method(name: str) -> None:
    blocking, awaiting = getattr(Client, name), getattr(AsyncClient, name)
    assert blocking.__doc__ == awaiting.__doc__
    assert len(blocking.__doc__) > 40
    shown = [inspect.signature(method) for method in (blocking, awaiting)]
    assert shown[0].parameters == shown[1].parameters
    assert next(iter(shown[0].parameters)) == "self"
    assert (blocking.__qualname__, awaiting.__qualname__) == (f"Client.{name}", f"AsyncClient.{name}")


def test_int8_and_binary_vectors_become_floats_again() -> None:
    rows = [np.array([127, -64, 0], dtype=np.int8), np.array([1, 2, 3], dtype=np.int8)]
    data: list[dict[str, Any]] = [
        {"index": place, "embedding": base64.b64encode(row.tobytes()).decode(), "scale": scale}
        for place, (row, scale) in enumerate(zip(rows, [0.5, 2.0], strict=True))
    ]
    data.append({"index": 2, "error": {"code": "too_long", "message": "long", "param": "inputs.2"}})
    with client_of(Recording("/embed", {**GOOD, "data": data})) as client:
        answer = client.embed(["a", "b", "c"], output_dtype="int8")
    assert answer.vectors.dtype == np.int8
    np.testing.assert_array_equal(answer.floats(), [[63.5, -32, 0], [2, 4, 6], [np.nan] * 3])

    data[:2] = [{"index": place, "embedding": base64.b64encode(bytes([160, place])).decode()} for place in range(2)]
    with client_of(Recording("/embed", {**GOOD, "data": data})) as client:
        answer = client.embed(["a", "b", "c"], output_dtype="binary")
    assert answer.vectors.dtype == np.uint8
    assert answer.vectors.shape == (3, 2)
    np.testing.assert_array_equal(answer.floats(4), [[1, -1, 1, -1], [1, -1, 1, -1], [np.nan] * 4])
    assert answer.floats().shape == (3, 16)
