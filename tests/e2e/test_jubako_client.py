"""Jubako's own clients against a real server: the same over HTTP and gRPC, blocking and not, however a list is cut."""

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.bundle import Bundle
from jubako import AsyncClient, Client, DeadlineError, ServerError, ServerUnreachable
from jubako.answers import OutputDtype
from tests.e2e.server import Server, free_port, running
from tests.tiny import MAX_TOKENS, embed_directly

TEXTS = ["hello world", "数据", "", "a box of rice and trays"]
TOO_LONG = "of " * 500
RECORD = {"title": "Orbit", "description": "A <b>detective</b> among the stars", "author": None}
OVER = ["http", "grpc"]


@pytest.fixture(scope="module")
def server(
    stored_tiny: Bundle,
    stored_tales: Bundle,
    exported_books: Bundle,
    slow_model: str,
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A server of a text encoder, a classifier, a recommender, and an encoder that takes its time."""
    names = f'["tiny", "tales", "small-books", "{slow_model}"]'
    with running(repository, tmp_path_factory.mktemp("log") / "server.log", JUBAKO_MODELS=names) as server:
        yield server


def url_of(server: Server, over: str) -> str:
    return server.url if over == "http" else f"grpc://{server.grpc_address}"


@pytest.fixture(params=OVER)
def url(server: Server, request: pytest.FixtureRequest) -> str:
    return url_of(server, request.param)


@pytest.fixture(scope="module")
def pair(server: Server) -> Iterator[list[Client]]:
    """A client of each transport."""
    with Client(url_of(server, "http"), part_inputs=3) as http, Client(url_of(server, "grpc"), part_inputs=3) as grpc:
        yield [http, grpc]


@pytest.fixture(scope="module")
def expected(tiny: Bundle) -> np.ndarray:
    return embed_directly(tiny.root, TEXTS)


def told(ask: Callable[[], Any]) -> object:
    """Return an answer, or its error, as what can be compared."""
    try:
        answer = ask()
    except ServerError as error:
        return described(error)
    fields = asdict(answer) if hasattr(answer, "model") else {"answer": answer}
    if "errors" in fields:
        fields["errors"] = {index: described(error) for index, error in answer.errors.items()}
    for name in ("vectors", "scales"):
        if fields.get(name) is not None:
            fields[name] = (fields[name].dtype.str, fields[name].shape, fields[name].tobytes())
    return fields


def described(error: ServerError) -> dict[str, object]:
    return {"status": error.status, "code": error.code, "message": error.message, "param": error.param}


def test_texts_are_embedded(url: str, expected: np.ndarray) -> None:
    with Client(url) as client:
        answer = client.embed(TEXTS)
        np.testing.assert_allclose(answer.vectors, expected, atol=1e-6)
        assert (answer.model, answer.version, answer.errors) == ("tiny", "1", {})
        assert client.embed("rice", dimensions=8).vectors.shape == (1, 8)
        assert client.models()[0]["name"] == client.model("tiny")["name"] == "tiny"
        assert client.ready()


async def test_the_async_client_does_all_of_it(url: str, expected: np.ndarray) -> None:
    async with AsyncClient(url) as client:
        np.testing.assert_allclose((await client.embed(TEXTS)).vectors, expected, atol=1e-6)
        assert (await client.classify("dragon")).assigned(0) == ["fantasy"]
        assert len((await client.recommend(model="small-books", k=3)).ids) == 3
        assert [model["name"] for model in await client.models()][:2] == ["tiny", "tales"]
        assert (await client.model("tales"))["labels"] == 5
        assert await client.ready()
        streamed = [part.vectors async for part in client.embed_stream(iter(TEXTS))]
    np.testing.assert_allclose(np.concatenate(streamed), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "binary"])
@pytest.mark.parametrize("dimensions", [None, 8])
def test_every_output_dtype_is_the_same_over_both(
    pair: list[Client], expected: np.ndarray, dtype: OutputDtype, dimensions: int | None
) -> None:
    inputs = [*TEXTS, TOO_LONG]
    http, grpc = (
        client.embed(inputs, model="tiny", output_dtype=dtype, dimensions=dimensions, truncate=False) for client in pair
    )
    assert told(lambda: http) == told(lambda: grpc)
    whole = expected if dimensions is None else expected[:, :8] / np.linalg.norm(expected[:, :8], axis=1, keepdims=True)
    floats = http.floats(dimensions)
    assert floats.dtype == np.float32
    assert floats.shape == (5, whole.shape[1])
    if dtype == "binary":
        np.testing.assert_array_equal(floats[:4], np.where(whole > 0, 1, -1))
    else:
        np.testing.assert_allclose(floats[:4], whole, atol={"float32": 1e-6, "float16": 1e-3, "int8": 5e-3}[dtype])
    assert np.isnan(floats[4]).all()
    assert {index: (error.code, error.param) for index, error in http.errors.items()} == {4: ("too_long", "inputs.4")}


LABELS = ["rice", "server", "vectors"]
CALLS: dict[str, Callable[[Client], Any]] = {
    "classify": lambda client: client.classify(["dragon", RECORD, {"titel": "x"}, "a murder", "orbit"]),
    "top_k": lambda client: client.classify([RECORD, "a wedding"], top_k=2, threshold=0.3),
    "labels of the caller's": lambda client: client.classify(["rice and trays"], candidate_labels=LABELS),
    "labels twice": lambda client: client.classify("rice", candidate_labels=["a", "a"]),
    "top_k of 0": lambda client: client.classify("rice", top_k=0),
    "top_k below 0": lambda client: client.classify("rice", top_k=-1),
    "wrong task": lambda client: client.classify("rice", model="tiny"),
    "no text": lambda client: client.embed([]),
    "all too long": lambda client: client.embed([TOO_LONG] * 2, truncate=False),
    "all too long in parts": lambda client: client.embed([TOO_LONG] * 7, truncate=False),
    "unknown model": lambda client: client.embed("rice", model="bookz"),
    "unknown model of many": lambda client: client.embed(["rice"] * 10, model="bookz"),
    "untrained size": lambda client: client.embed("rice", dimensions=7),
    "unknown prompt": lambda client: client.embed("rice", prompt="query"),
    "person": lambda client: client.embed([{"user": {"history": []}}], model="small-books"),
    "popular": lambda client: client.recommend(k=5),
    "unknown person": lambda client: client.recommend("nobody", k=5),
    "history": lambda client: client.recommend({"history": ["1", 2, "x"]}, k=5, explain=True),
    "attributes": lambda client: client.recommend({"attributes": {"age": 30, "country": "usa"}}, k=3, diversity=0.5),
    "unknown attribute": lambda client: client.recommend({"attributes": {"height": 180}}),
    "filters": lambda client: client.recommend(k=4, filters={"any": {"decade": ["1990", "2000"]}}),
    "unknown filter": lambda client: client.recommend(filters={"any": {"colour": "red"}}),
    "unknown kind of filter": lambda client: client.recommend(filters={"all": {"decade": "1990"}}),
    "like a record": lambda client: client.recommend(record={"title": "A War", "author": "A. Author"}, k=4),
    "like items": lambda client: client.recommend(items=["nobody's"], k=4),
    "like nothing": lambda client: client.recommend(items=[]),
    "k of 0": lambda client: client.recommend(k=0),
    "k below 0": lambda client: client.recommend(k=-3),
    "k too large": lambda client: client.recommend(k=100_000),
    "diversity": lambda client: client.recommend(diversity=2.0),
    "two questions": lambda client: client.recommend("ann", items=["1"]),
    "a field too many": lambda client: client.recommend({"id": "ann", "name": "Ann"}),
    "models": lambda client: client.models(),
    "no such model": lambda client: client.model("bookz"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_and_its_error_are_the_same_over_both(pair: list[Client], name: str) -> None:
    http, grpc = (told(lambda client=client: CALLS[name](client)) for client in pair)  # type: ignore[misc]
    if isinstance(http, dict) and "status" in http and isinstance(grpc, dict):
        # what a message cannot hold is refused before it is sent, in other words
        assert {**http, "message": ""} == {**grpc, "message": ""}
    else:
        assert http == grpc


def test_a_list_that_is_cut_answers_as_a_whole_one(server: Server, url: str, tiny: Bundle) -> None:
    texts = [f"{TEXTS[number % 4]} {number}" for number in range(700)]
    wrong = {5, 131, 132, 133, 699}
    inputs: list[Any] = [TOO_LONG if number in wrong else text for number, text in enumerate(texts)]
    with Client(url, part_inputs=2000) as whole_client, Client(url, part_inputs=64, part_bytes=2500) as client:
        whole, cut = (each.embed(inputs, truncate=False) for each in (whole_client, client))
    np.testing.assert_allclose(cut.vectors, whole.vectors, atol=1e-6)
    assert (cut.tokens, cut.version, len(cut)) == (whole.tokens, whole.version, 700)
    assert cut.errors.keys() == wrong
    assert all(error.param == f"inputs.{number}" for number, error in cut.errors.items())
    good = [number for number in range(0, 700, 7) if number not in wrong]
    np.testing.assert_allclose(cut.vectors[good], embed_directly(tiny.root, [texts[at] for at in good]), atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 700])
def test_a_stream_gives_what_a_list_gives_in_its_order(url: str, count: int) -> None:
    texts = [f"{TEXTS[number % 4]} {number}" for number in range(count)]
    if count > 1:
        texts[130] = texts[-1] = TOO_LONG
    with Client(url, part_inputs=50, in_flight=3) as client:
        parts = list(client.embed_stream(iter(texts), truncate=False))
        assert [part.offset for part in parts] == list(range(0, count, 50))
        if count:
            whole = client.embed(texts, truncate=False)
            streamed = np.concatenate([part.vectors for part in parts])
            np.testing.assert_allclose(streamed, whole.vectors, atol=1e-6)
            assert sum(part.tokens for part in parts) == whole.tokens
            assert {part.offset + at for part in parts for at in part.errors} == whole.errors.keys()


def test_a_stream_is_read_no_further_than_its_window_and_may_be_left(url: str) -> None:
    taken = itertools.count()
    with Client(url, part_inputs=10, in_flight=2) as client:
        parts = client.embed_stream(f"text {next(taken)}" for _ in itertools.count())
        assert [next(parts).offset for _ in range(5)] == [0, 10, 20, 30, 40]
        assert next(taken) <= 72
        parts.close()  # type: ignore[attr-defined]
        assert client.embed("rice").tokens > 0


def test_an_error_of_what_is_read_reaches_the_caller(url: str) -> None:
    def broken() -> Iterator[str]:
        yield "rice"
        raise OSError("the file is gone")

    with Client(url, part_inputs=1) as client, pytest.raises(OSError, match="the file is gone"):
        list(client.embed_stream(broken()))


def test_a_stream_with_an_error_of_all_of_it_raises_it(url: str) -> None:
    with Client(url, part_inputs=2) as client, pytest.raises(ServerError, match="unknown model 'bookz'"):
        list(client.embed_stream(["rice"] * 9, model="bookz"))


def test_the_time_is_over_here_and_there(server: Server, url: str, slow_model: str) -> None:
    texts = ["a box of rice and trays " * 20] * 128
    begin = time.monotonic()
    with Client(url, timeout_s=0.2) as client, pytest.raises(DeadlineError) as caught:
        client.embed(texts, model=slow_model)
    assert time.monotonic() - begin < 1.5
    assert (caught.value.status, caught.value.code) == (504, "deadline")


async def test_the_time_of_one_call(url: str, slow_model: str) -> None:
    texts = ["a box of rice and trays " * 20] * 128
    async with AsyncClient(url) as client:
        with pytest.raises(DeadlineError):
            await client.embed(texts, model=slow_model, timeout_s=0.2)
        with pytest.raises(DeadlineError):
            async for _ in client.embed_stream(texts, model=slow_model, timeout_s=0.2):
                pass


@pytest.mark.parametrize("over", OVER)
def test_nobody_there_is_told_with_the_address(over: str) -> None:
    url = f"{over}://127.0.0.1:{free_port()}"
    with Client(url, retries=1) as client:
        assert not client.ready()
        with pytest.raises(ServerUnreachable, match=url) as caught:
            client.embed("rice")
    assert isinstance(caught.value, ConnectionError)


@pytest.mark.parametrize("over", OVER)
async def test_nobody_there_is_told_to_the_async_client_too(over: str) -> None:
    url = f"{over}://127.0.0.1:{free_port()}"
    async with AsyncClient(url, retries=1) as client:
        assert not await client.ready()
        with pytest.raises(ServerUnreachable, match=url):
            await client.embed("rice")
        with pytest.raises(ServerUnreachable, match=url):
            async for _ in client.embed_stream(["rice"]):
                pass


def test_threads_share_a_client(url: str) -> None:
    texts = [f"text {number}" for number in range(120)]
    with Client(url, part_inputs=3) as client, ThreadPoolExecutor(8) as pool:
        alone = list(pool.map(lambda text: client.embed(text).vectors[0], texts))
        lists = list(pool.map(lambda _: client.embed(texts[:20]).vectors, range(8)))
    together = np.stack(alone)
    for vectors in lists:
        np.testing.assert_allclose(vectors, together[:20], atol=1e-6)


async def test_many_calls_at_once(url: str) -> None:
    async with AsyncClient(url) as client:
        answers = await asyncio.gather(*(client.embed(f"text {number}") for number in range(200)))
    assert all(np.isfinite(answer.vectors).all() for answer in answers)


LEFT = """
import sys, time, psutil, threading
from jubako import Client

def connected():
    return [each for each in psutil.Process().net_connections(kind="tcp") if each.status == "ESTABLISHED"]

with Client(sys.argv[1], part_inputs=1) as client:
    client.embed(["rice"] * 8)
    next(client.embed_stream(["rice"] * 8))
    assert connected()
ends = time.monotonic() + 5  # gRPC's own threads close behind us
while (connected() or threading.active_count() > 1) and time.monotonic() < ends:
    time.sleep(0.01)
assert not connected(), connected()
assert threading.active_count() == 1, threading.enumerate()
"""


def test_closing_frees_connections_and_threads(url: str, repository: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LEFT, url], capture_output=True, text=True, cwd=repository)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("over", OVER)
def test_requests_may_be_compressed(server: Server, expected: np.ndarray, over: str) -> None:
    texts = [*TEXTS, "of rice " * MAX_TOKENS * 8]
    with Client(url_of(server, over), compression="gzip", api_key="secret") as client:
        np.testing.assert_allclose(client.embed(texts).vectors[:4], expected, atol=1e-6)
        assert len(client.classify(["dragon"] * 20).labels) == 20


@settings(max_examples=25)
@given(texts=st.lists(st.text(st.sampled_from("abcdehlorstuw 数据é\n"), max_size=60), min_size=2, max_size=30))
def test_a_vector_depends_neither_on_its_batch_nor_on_the_transport(pair: list[Client], texts: list[str]) -> None:
    http, grpc = (client.embed(texts).vectors for client in pair)
    np.testing.assert_allclose(http, grpc, atol=1e-6)
    alone = np.concatenate([pair[1].embed(text).vectors for text in texts])
    assert np.einsum("rd,rd->r", http, alone).min() >= 0.9999
