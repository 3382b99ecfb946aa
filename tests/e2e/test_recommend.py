"""Recommendation against real servers: their answers are the trained model's, through every client and topology."""

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import bentoml
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from bundle.bundle import Bundle, seal
from bundle.catalogue import VECTORS_FILE
from bundle.store import save
from jubako import AsyncClient, Client, ServerError
from tests.e2e.server import Server, running, start
from training.trained_two_tower import TrainedTwoTower

READERS, DEPTH = 200, 20
TIED = 1e-5
MODEL = "small-books"


@pytest.fixture(scope="module", params=["single", "split"])
def server(
    exported_books: Bundle,
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Server]:
    """A server of the trained towers, in floats."""
    log, environment = tmp_path_factory.mktemp("log") / "server.log", {"JUBAKO_ENGINE__PRECISION": "fp32"}
    with running(repository, log, JUBAKO_MODELS=f'["{MODEL}"]', JUBAKO_TOPOLOGY=request.param, **environment) as server:
        yield server


class Shelf:
    """What the trained model says by itself, without any of the serving code."""

    def __init__(self, trained: TrainedTwoTower) -> None:
        self.trained = trained
        data, self.holdout = trained.recipe.data, trained.recipe.holdout
        self.items, self.readers = list(data.item_ids), list(data.user_ids)
        self.books = {str(book.id): book for book in trained.recipe.books}
        self.vectors = trained.item_vectors  # [items, dimensions]

    def seen(self, reader: int) -> list[str]:
        """Return the ids of what a reader has read, as far as the model may know."""
        return [self.items[at] for at in self.holdout.history[reader].indices]

    def check(self, found: Sequence[str], scores: NDArray[np.float32], left_out: Sequence[str]) -> None:
        """Hold ids in order to scores [items]: the best first, but for ties, and nothing of what is left out."""
        allowed = scores.copy()
        allowed[[self.items.index(name) for name in left_out]] = -np.inf
        best = np.argsort(-allowed, kind="stable")[: len(found)]
        for name, expected in zip(found, best.tolist(), strict=True):
            assert name not in left_out
            position = self.items.index(name)
            assert position == expected or abs(allowed[position] - allowed[expected]) < TIED
        assert len(set(found)) == len(found)


@pytest.fixture(scope="module")
def shelf(trained_books: TrainedTwoTower) -> Shelf:
    return Shelf(trained_books)


def recommend(server: Server, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/recommend", json=body, timeout=30)


def answer_of(server: Server, **body: Any) -> dict[str, Any]:
    response = recommend(server, **body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [item["id"] for item in answer["items"]]


async def test_two_hundred_readers_get_the_trained_model_s_own_lists(server: Server, shelf: Shelf) -> None:
    readers = np.linspace(0, len(shelf.readers) - 1, READERS).astype(np.int64)
    async with AsyncClient(server.url) as client:
        answers = await asyncio.gather(*(client.recommend(shelf.readers[at], k=DEPTH) for at in readers.tolist()))
    offline = shelf.trained.top(readers, shelf.holdout.history, DEPTH)  # [readers, depth]
    scores = shelf.trained.user_vectors(shelf.holdout.history, readers) @ shelf.vectors.T  # [readers, items]
    same = 0
    for row, answer in enumerate(answers):
        expected = [shelf.items[at] for at in offline[row]]
        same += answer.ids == expected
        shelf.check(answer.ids, scores[row], shelf.seen(int(readers[row])))
        told = [item.score for item in answer.items]
        np.testing.assert_allclose(told, np.sort(scores[row, offline[row]])[::-1], atol=TIED)
        assert (answer.strategy, answer.cold_start) == ("user", False)
    assert same >= READERS * 0.95


def test_what_a_known_reader_sends_is_added_to_what_is_known_of_them(server: Server, shelf: Shelf) -> None:
    more = next(name for name in shelf.items if name not in shelf.seen(0))
    alone, joined = (ids_of(answer_of(server, user=user, k=170)) for user in (
        {"id": shelf.readers[0]}, {"id": shelf.readers[0], "history": [more, "nobody's"]}
    ))  # fmt: skip
    assert set(alone) - set(joined) == {more}
    seen = answer_of(server, user={"id": shelf.readers[0]}, exclude_seen=False, k=1000)
    assert set(ids_of(seen)) == set(shelf.items)


def test_a_history_without_an_id(server: Server, shelf: Shelf) -> None:
    read = shelf.seen(3)
    answer = answer_of(server, user={"history": [*read, "nobody's", 12345]}, k=DEPTH)
    assert (answer["strategy"], answer["unknown"]) == ("user", ["nobody's", "12345"])
    recipe = shelf.trained.recipe
    person = recipe.user_features.read({"history": read})
    vector = recipe.user_vectors(shelf.trained.module, [person], shelf.trained.fabric())  # type: ignore[list-item]
    shelf.check(ids_of(answer), (vector @ shelf.vectors.T)[0], read)


def test_anchors_are_answered_by_what_is_like_them_within_filters(server: Server, shelf: Shelf) -> None:
    anchors = shelf.items[4:7]
    query = shelf.vectors[4:7].mean(axis=0)
    answer = answer_of(server, items=[*anchors, "nobody's"], k=DEPTH)
    assert (answer["strategy"], answer["unknown"]) == ("items", ["nobody's"])
    shelf.check(ids_of(answer), shelf.vectors @ query, anchors)

    tag = shelf.books[anchors[0]].tags[0]
    author = shelf.books[ids_of(answer)[0]].author
    filters = {"required": {"tags": tag.upper()}, "excluded": {"author": [author]}}
    filtered = answer_of(server, items=anchors, filters=filters, k=1000)
    fitting = {name for name, book in shelf.books.items() if tag in book.tags and book.author != author}
    assert set(ids_of(filtered)) == fitting - set(anchors)
    shelf.check(ids_of(filtered), shelf.vectors @ query, [*anchors, *(set(shelf.items) - fitting)])


def test_a_record_that_nobody_knows(server: Server, shelf: Shelf) -> None:
    book = shelf.books[shelf.items[9]]
    record = {"title": book.title, "author": book.author, "tags": list(book.tags), "year": book.year}
    answer = answer_of(server, record=record, k=10, explain=True)
    assert (answer["strategy"], answer["cold_start"]) == ("items", True)
    assert len(answer["items"]) == 10
    shared = [reason for item in answer["items"] for reason in item["reasons"] if reason["kind"] == "shared"]
    assert any(set(reason["values"]) & set(book.tags) for reason in shared)
    assert recommend(server, record={"year": 1999, "pages": 3}).status_code == 422


def test_reasons_name_what_was_read_and_what_is_shared(server: Server, shelf: Shelf) -> None:
    answer = answer_of(server, user={"id": shelf.readers[5]}, k=5, explain=True)
    for item in answer["items"]:
        kinds = {reason["kind"]: reason for reason in item["reasons"]}
        assert {"nearest", "score"} <= kinds.keys()
        assert kinds["nearest"]["id"] in shelf.seen(5)
        assert kinds["nearest"]["title"] == shelf.books[kinds["nearest"]["id"]].title
        popularity = shelf.trained.recipe.popularity
        share = popularity[shelf.items.index(item["id"])] / popularity.sum()
        assert kinds["score"]["popularity"] == pytest.approx(share, rel=1e-4)


def test_a_stranger_is_known_by_their_attributes(server: Server, shelf: Shelf) -> None:
    one, other = (
        answer_of(server, user={"id": "new", "attributes": {"country": country, "age": age}}, k=DEPTH)
        for country, age in (("usa", 15), ("japan", 70))
    )
    assert (one["strategy"], one["cold_start"]) == ("user", True)
    assert ids_of(one) != ids_of(other)
    recipe = shelf.trained.recipe
    person = recipe.user_features.read({"id": "new", "attributes": {"country": "usa", "age": 15}})
    vector = recipe.user_vectors(shelf.trained.module, [person], shelf.trained.fabric())  # type: ignore[list-item]
    shelf.check(ids_of(one), (vector @ shelf.vectors.T)[0], [])
    wrong = recommend(server, user={"attributes": {"shoe": 43}})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (422, "user.attributes.shoe")
    assert "country, age" in wrong.json()["error"]["message"]


@pytest.mark.parametrize("body", [{}, {"user": {}}, {"user": {"id": "new"}}, {"user": {"history": []}}])
def test_of_whom_nothing_is_known_gets_what_is_popular(server: Server, shelf: Shelf, body: dict[str, Any]) -> None:
    answer = answer_of(server, **body, k=DEPTH)
    assert (answer["strategy"], answer["cold_start"]) == ("popularity", True)
    shelf.check(ids_of(answer), shelf.trained.recipe.popularity, [])


def test_more_than_there_is_comes_down_to_all_there_is(server: Server, shelf: Shelf) -> None:
    reader = shelf.readers[7]
    everything = ids_of(answer_of(server, user={"id": reader}, k=1000))
    assert set(everything) == set(shelf.items) - set(shelf.seen(7))
    assert answer_of(server, user={"id": reader}, k=10, exclude=shelf.items)["items"] == []
    nobody_s = answer_of(server, user={"id": reader}, filters={"required": {"author": "nobody"}})
    assert nobody_s["items"] == []
    diverse = ids_of(answer_of(server, user={"id": reader}, k=10, diversity=0.7))
    assert diverse[0] == everything[0]
    assert diverse != everything[:10]


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"items": ["nobody's", "x"]}, 404, "unknown_item", "items"),
        ({"user": {"id": "a"}, "items": ["b"]}, 422, "invalid_value", "items"),
        ({"items": []}, 422, "invalid_value", "items"),
        ({"k": 1001}, 422, "invalid_value", "k"),
        ({"k": 0}, 422, "invalid_value", "k"),
        ({"user": {"history": "all"}}, 422, "invalid_value", "user.history"),
        ({"filters": {"required": {"shelf": "x"}}}, 422, "invalid_value", "filters.required.shelf"),
        (
            {"filters": {"required": {"tags": "crime"}, "excluded": {"tags": ["Crime"]}}},
            422, "invalid_value", "filters.excluded.tags",
        ),
        ({"model": "bookz"}, 404, "unknown_model", "model"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_told_with_its_place(
    server: Server, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    response = recommend(server, **body)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)


def test_embeddings_of_an_item_a_record_and_a_person(server: Server, shelf: Shelf) -> None:
    name, recipe = shelf.items[2], shelf.trained.recipe
    record = shelf.books[name].model_dump(mode="json", exclude_defaults=True)
    with Client(server.url) as client:
        answer = client.embed([name, record, {"user": {"id": shelf.readers[0]}}, "nobody's"])
        unknown = client.embed({"title": "The Long Rain"}).vectors
    assert answer.vectors.shape == (4, shelf.vectors.shape[1])
    np.testing.assert_allclose(answer.vectors[0], shelf.vectors[2], atol=1e-5)
    np.testing.assert_allclose(answer.vectors[1], shelf.vectors[2], atol=1e-5)
    person = shelf.trained.user_vectors(shelf.holdout.history, np.array([0]))
    np.testing.assert_allclose(answer.vectors[2], person[0], atol=1e-5)
    assert (answer.errors[3].code, answer.errors[3].param) == ("unknown_item", "inputs.3")
    rows = recipe.item_features.encode([recipe.item_features.read({"title": "The Long Rain"})])
    expected = recipe._vectors(shelf.trained.module.item_encoder(), recipe.item_features, rows, shelf.trained.fabric())
    np.testing.assert_allclose(unknown, expected, atol=1e-5)


def test_jubako_client(server: Server, shelf: Shelf) -> None:
    with Client(server.url) as client:
        answer = client.recommend(shelf.readers[1], k=5, explain=True, exclude=shelf.items[:100])
        assert (answer.model, len(answer.ids), answer.strategy) == (MODEL, 5, "user")
        assert not set(answer.ids) & set(shelf.items[:100])
        assert {reason.kind for item in answer.items for reason in item.reasons} >= {"nearest", "score"}
        assert client.recommend(items=shelf.items[:1]).strategy == "items"
        with pytest.raises(ServerError) as caught:
            client.recommend(items=["nobody's"])
        listed = {model["name"]: model for model in client.models()}
    assert caught.value.code == "unknown_item"
    assert listed[MODEL]["training_data"]["description"].startswith("GENERATED SAMPLE")


def test_bentoml_client(server: Server, shelf: Shelf) -> None:
    user = {"id": shelf.readers[1]}
    with bentoml.SyncHTTPClient(server.url) as client:
        answer = client.recommend(user=user, k=5)
    assert ids_of(answer) == ids_of(answer_of(server, user=user, k=5))


def test_metrics_and_the_specification_know_the_route(server: Server) -> None:
    recommend(server, k=3)
    recommend(server, k="many")
    metrics = httpx.get(f"{server.url}/metrics").text
    for status in (200, 422):
        assert f'jubako_request_seconds_count{{endpoint="/recommend",status="{status}"}}' in metrics
    assert "/recommend" in httpx.get(f"{server.url}/openapi.json").json()["paths"]
    assert "recommend" in str(httpx.get(f"{server.url}/schema.json").json())
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_an_index_with_a_flipped_byte_is_refused_at_start_and_named(
    exported_books: Bundle, repository: Path, tmp_path: Path
) -> None:
    shutil.copytree(exported_books.root, tmp_path / "copy")
    renamed = exported_books.manifest.model_copy(update={"name": "rotten-books"})
    stored = save(seal(tmp_path / "copy", renamed))
    vectors = stored.root / VECTORS_FILE
    content = bytearray(vectors.read_bytes())
    content[-50] ^= 1
    vectors.write_bytes(content)
    server = start(repository, tmp_path / "log", JUBAKO_MODELS='["rotten-books"]')
    try:
        assert server.process.wait(60) != 0
        assert f"{VECTORS_FILE}: altered" in server.log.read_text()
    finally:
        server.stop()
