"""How lists are cut and their answers joined: nobody sees where."""

import asyncio
import base64
import json
import threading
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako import ServerError
from jubako.client.parts import PartSize
from tests.jubako.test_client import async_client_of, client_of

inputs = st.lists(st.text(max_size=20) | st.fixed_dictionaries({"title": st.text(max_size=20)}), max_size=40)


@given(inputs=inputs, most=st.integers(1, 10), size_bytes=st.integers(1, 100))
def test_parts_are_the_list_in_order_and_within_their_size(inputs: list[Any], most: int, size_bytes: int) -> None:
    parts = list(PartSize(most, size_bytes).cut(inputs))
    assert [each for part in parts for each in part] == inputs
    for part in parts:
        assert 1 <= len(part) <= most
        texts = [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in part]
        sizes = [len(text.encode()) for text in texts]
        assert sum(sizes) <= size_bytes or len(part) == 1


class Counting:
    """Embeds a text as the number in it; negative ones are at fault. Refuses more than `most` texts at a time."""

    def __init__(self, most: int = 10**6) -> None:
        self.most = most
        self.sizes: list[int] = []
        self.names: list[str] = []
        self.version = "1"
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        texts = json.loads(request.content)["inputs"]
        with self._lock:
            self.sizes.append(len(texts))
            self.names.append(request.headers["x-request-id"])
        if len(texts) > self.most:
            return self._error(413, "too_large", "split it", "inputs")
        numbers = [int(text) for text in texts]
        if max(numbers) < 0:
            return self._error(422, "too_long", f"{numbers[0]} is too long", "inputs.0")
        data = [self._item(place, number) for place, number in enumerate(numbers)]
        answer = {"model": "text", "version": self.version, "data": data, "usage": {"tokens": sum(map(abs, numbers))}}
        return httpx.Response(200, json=answer)

    def _item(self, place: int, number: int) -> dict[str, Any]:
        if number < 0:
            error = {"code": "too_long", "message": f"{number} is too long", "param": f"inputs.{place}.title"}
            return {"index": place, "error": error}
        return {"index": place, "embedding": base64.b64encode(np.float32(number).tobytes()).decode()}

    def _error(self, status: int, code: str, message: str, param: str) -> httpx.Response:
        return httpx.Response(status, json={"error": {"code": code, "message": message, "param": param}})


numbers = st.lists(st.integers(-3, 50), min_size=1, max_size=40)


@given(numbers=numbers, part=st.integers(1, 12), most=st.integers(1, 50), in_flight=st.integers(1, 5))
def test_a_cut_list_answers_as_a_whole_one(numbers: list[int], part: int, most: int, in_flight: int) -> None:
    texts = [str(number) for number in numbers]
    server = Counting(most)
    with client_of(server, part_inputs=part, in_flight=in_flight) as client:
        if max(numbers) < 0:
            with pytest.raises(ServerError, match=f"{numbers[0]} is too long"):
                client.embed(texts)
            return
        answer = client.embed(texts)
    good = [place for place, number in enumerate(numbers) if number >= 0]
    np.testing.assert_array_equal(answer.vectors[good, 0], [numbers[place] for place in good])
    assert answer.errors.keys() == set(range(len(numbers))) - set(good)
    for place, error in answer.errors.items():
        assert error.message == f"{numbers[place]} is too long"
        assert error.param is not None
        assert error.param.startswith(f"inputs.{place}")
    assert answer.tokens <= sum(map(abs, numbers))
    assert len(server.sizes) <= 4 * len(numbers)


def test_tokens_add_up_and_parts_are_named_after_the_request() -> None:
    server = Counting()
    with client_of(server, part_inputs=2) as client:
        assert client.embed(["1", "2", "3", "4", "5"], request_id="mine").tokens == 15
    assert sorted(server.names) == ["mine-0", "mine-1", "mine-2"]
    assert sorted(server.sizes) == [1, 2, 2]


def test_what_is_too_large_for_the_server_goes_in_halves() -> None:
    server = Counting(most=3)
    with client_of(server) as client:
        answer = client.embed([str(number) for number in range(10)])
    np.testing.assert_array_equal(answer.vectors[:, 0], range(10))
    assert server.sizes == [10, 5, 3, 2, 5, 3, 2]


def test_a_list_answered_by_two_versions_is_an_error() -> None:
    server = Counting()

    def swapped(request: httpx.Request) -> httpx.Response:
        server.version = "2" if request.headers["x-request-id"].endswith("-1") else "1"
        return server(request)

    with client_of(swapped, part_inputs=1, in_flight=1) as client:
        with pytest.raises(ServerError, match="from version 1 of text to 2 of text") as caught:
            client.embed(["1", "2"])
        assert [part.version for part in client.embed_stream(["1", "2"])] == ["1", "2"]
    assert caught.value.code == "version_changed"


def test_a_part_of_a_stream_without_a_good_input_has_the_shape_of_the_others() -> None:
    with client_of(Counting(), part_inputs=2) as client:
        first, second = client.embed_stream(["7", "-1", "-2", "-3"])
    assert (first.vectors.shape, second.vectors.shape) == ((2, 1), (2, 1))
    assert (second.model, second.version, second.offset) == ("text", "1", 2)
    assert [error.message for error in second.errors.values()] == ["-2 is too long", "-3 is too long"]


class Waiting:
    """Answers when so many requests are there, and counts how many were there at most."""

    def __init__(self, together: int) -> None:
        self.barrier = asyncio.Barrier(together)
        self.held = self.most = 0
        self.answers = Counting()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.held += 1
        self.most = max(self.most, self.held)
        await asyncio.wait_for(self.barrier.wait(), 5)
        self.held -= 1
        return self.answers(request)


async def test_parts_travel_side_by_side_within_a_bound() -> None:
    server = Waiting(3)
    client: Any = async_client_of(server, part_inputs=1, in_flight=3)  # type: ignore[arg-type]
    async with client:
        answer = await client.embed([str(number) for number in range(9)])
    np.testing.assert_array_equal(answer.vectors[:, 0], range(9))
    assert server.most == 3


async def test_an_error_ends_the_parts_that_are_on_their_way() -> None:
    ended: list[str] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        [text] = json.loads(request.content)["inputs"]
        if text == "0":
            return httpx.Response(404, json={"error": {"code": "unknown_model", "message": "no", "param": "model"}})
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(text)
        raise AssertionError

    async with async_client_of(answer, part_inputs=1, in_flight=4) as client:  # type: ignore[arg-type]
        with pytest.raises(ServerError, match="unknown_model"):
            await client.embed([str(number) for number in range(9)])
    assert sorted(ended) == ["1", "2", "3"]
    assert len(asyncio.all_tasks()) == 1
