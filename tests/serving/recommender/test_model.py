import asyncio
from collections.abc import Iterator
from time import monotonic
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bundle.manifest import Role
from serving.errors import Code, JubakoError
from serving.model import Result
from serving.recommender.answers import Asked, Nearest, Recommended, Strategy
from serving.settings import Limits
from tests.serving.recommenders import BOOKS, HISTORIES, UNKNOWN_TO_HISTORIES, Made, make_books, make_works

IDS = [book["id"] for book in BOOKS]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    made = make_books(tmp_path_factory.mktemp("books"))
    yield made
    made.model.close()


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    made = make_works(tmp_path_factory.mktemp("works"))
    yield made
    made.model.close()


async def recommend(made: Made, **asked: Any) -> Recommended:
    return await made.model.recommend(Asked(**asked), deadline=monotonic() + 10)


async def ids(made: Made, **asked: Any) -> list[str]:
    return [item.id for item in (await recommend(made, **asked)).items]


async def embed(made: Made, inputs: list[object], **options: Any) -> Result:
    return await made.model.embed(inputs, deadline=monotonic() + 10, **options)


def ranked(made: Made, query: np.ndarray, besides: list[str], k: int = 10) -> list[str]:
    """Rank the whole catalogue by brute force."""
    scores = made.catalogue.vectors.astype(np.float64) @ query.astype(np.float64)
    return [IDS[at] for at in np.argsort(-scores, kind="stable") if IDS[at] not in besides][:k]


@pytest.mark.parametrize("name", HISTORIES)
async def test_a_known_user_gets_what_their_encoder_ranks_first_and_nothing_seen(books: Made, name: str) -> None:
    got = await recommend(books, user={"id": name})
    query = books.encode(Role.USER, {"id": name, "history": HISTORIES[name]})
    assert [item.id for item in got.items] == ranked(books, query, HISTORIES[name])
    assert (got.strategy, got.cold_start, got.unknown) == (Strategy.USER, False, [])
    for item in got.items:
        position = books.catalogue.position_of(item.id)
        assert position is not None
        np.testing.assert_allclose(item.score, books.catalogue.vectors[position] @ query, rtol=1e-4, atol=1e-4)
        assert item.title == BOOKS[position]["title"]


async def test_a_sent_history_follows_the_stored_one(books: Made) -> None:
    sent = ["103", "100", "nothing"]
    got = await recommend(books, user={"id": "ann", "history": sent})
    query = books.encode(Role.USER, {"id": "ann", "history": ["104", "108", "103", "100"]})
    assert [item.id for item in got.items] == ranked(books, query, [*HISTORIES["ann"], "103"])
    assert got.unknown == ["nothing"]


async def test_a_history_alone_does_and_its_ids_may_be_integers(books: Made) -> None:
    query = books.encode(Role.USER, {"history": ["101", "105"]})
    expected = ranked(books, query, ["101", "105"])
    assert await ids(books, user={"history": [101, "105"]}) == expected
    assert {books.genre_of(name) for name in expected} == {"horror"}
    got = await recommend(books, user={"id": "somebody new", "history": [" 101", 105]})
    assert not got.cold_start


async def test_what_was_seen_comes_back_only_on_request(books: Made) -> None:
    query = books.encode(Role.USER, {"id": "ann", "history": HISTORIES["ann"]})
    everything = await ids(books, user={"id": "ann"}, exclude_seen=False, k=50)
    assert everything == ranked(books, query, [], 50)
    assert set(HISTORIES["ann"]) <= set(everything)


async def test_attributes_alone_are_a_cold_start_of_the_encoder(books: Made) -> None:
    got = await recommend(books, user={"id": "nobody", "attributes": {"country": "Japan", "age": 30}})
    query = books.encode(Role.USER, {"id": "nobody", "attributes": {"country": "japan", "age": 30}})
    assert [item.id for item in got.items] == ranked(books, query, [])
    assert (got.strategy, got.cold_start) == (Strategy.USER, True)


async def test_a_user_with_a_vector_of_their_own_is_no_cold_start(books: Made) -> None:
    got = await recommend(books, user={"id": UNKNOWN_TO_HISTORIES})
    assert (got.strategy, got.cold_start) == (Strategy.USER, False)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"user": {}},
        {"user": {"id": "nobody"}},
        {"user": {"id": "nobody", "history": [], "attributes": {"country": None}}},
        {"user": {"history": ["nothing"]}},
    ],
)
async def test_who_nothing_is_known_of_gets_what_is_popular(books: Made, asked: dict[str, Any]) -> None:
    got = await recommend(books, **asked)
    popularity = books.catalogue.popularity
    best = np.argsort(-popularity, kind="stable")[:10]
    assert [item.id for item in got.items] == [IDS[at] for at in best]
    np.testing.assert_allclose([item.score for item in got.items], popularity[best] / popularity.sum(), rtol=1e-6)
    assert (got.strategy, got.cold_start) == (Strategy.POPULARITY, True)
    assert got.unknown == ["nothing"] * ("history" in asked.get("user", {}) and bool(asked["user"]["history"]))


async def test_what_is_popular_obeys_filters_and_exclusions(books: Made) -> None:
    popular = await ids(books, k=50)
    war = [name for name in popular if books.genre_of(name) == "war"]
    got = await ids(books, k=5, filters={"required": {"tags": "War"}}, exclude=[war[0], int(war[2]), "nothing"])
    assert got == [war[1], *war[3:7]]
    assert await ids(books, k=3, exclude=popular[:4]) == popular[4:7]


async def test_anchors_are_averaged_and_never_come_back(books: Made) -> None:
    positions = [IDS.index(name) for name in ("102", "106")]
    query = books.catalogue.vectors[positions].mean(axis=0)
    got = await recommend(books, items=["102", 106, "nothing", "102"], exclude_seen=False)
    assert [item.id for item in got.items] == ranked(books, query, ["102", "106"])
    assert (got.strategy, got.cold_start, got.unknown) == (Strategy.ITEMS, False, ["nothing"])


async def test_where_cosines_count_anchors_are_averaged_as_unit_vectors(works: Made, tmp_path: Any) -> None:
    got = await recommend(works, items=["102", "105"], k=50)
    vectors = works.catalogue.vectors
    mean = vectors[[2, 5]].mean(axis=0)
    query = mean / np.linalg.norm(mean)
    assert {item.id for item in got.items[:5]} <= set(ranked(works, query, ["102", "105"], 9))
    np.testing.assert_allclose([item.score for item in got.items], [
        vectors[IDS.index(item.id)] @ query for item in got.items
    ], atol=1e-5)  # fmt: skip


async def test_a_record_finds_what_is_like_it_and_not_itself(books: Made) -> None:
    record = {"title": "A war", "tags": ["war"], "author": "Ada Quill"}
    got = await recommend(books, record=record, k=5)
    assert [item.id for item in got.items] == ranked(books, books.encode(Role.ITEM, record), [], 5)
    assert (got.strategy, got.cold_start) == (Strategy.ITEMS, True)
    assert got.spent.tokens == 2
    known = await recommend(books, items=[BOOKS[3]], k=50)
    assert "103" not in [item.id for item in known.items]
    assert not known.cold_start
    mixed = books.catalogue.vectors[[1]].sum(axis=0) / 2 + books.encode(Role.ITEM, record) / 2
    assert await ids(books, items=["101", record], k=5) == ranked(books, mixed, ["101"], 5)


async def test_without_known_anchors_there_is_no_answer(books: Made) -> None:
    with pytest.raises(JubakoError, match="'no', 'nope'") as caught:
        await recommend(books, items=["no", "nope"])
    assert (caught.value.code, caught.value.param) == (Code.UNKNOWN_ITEM, "items")


async def test_filters_still_leave_k_items(books: Made) -> None:
    query = books.encode(Role.USER, {"id": "ann", "history": HISTORIES["ann"]})
    poems = [name for name in ranked(books, query, HISTORIES["ann"], 60) if books.genre_of(name) == "poetry"]
    assert await ids(books, user={"id": "ann"}, filters={"any": {"tags": ["poetry", "nothing"]}}) == poems[:10]
    assert await ids(books, user={"id": "ann"}, filters={"any": {"tags": "poetry"}}, k=50) == poems


async def test_where_nothing_is_left_the_answer_is_empty(books: Made) -> None:
    for asked in ({"filters": {"required": {"tags": "nothing"}}}, {"exclude": IDS}):
        for who in ({"user": {"id": "ann"}}, {"items": ["101"]}, {}):
            assert await ids(books, **asked, **who) == []


async def test_k_beyond_the_catalogue_is_all_there_is(tmp_path: Any) -> None:
    made = make_books(tmp_path, limits=Limits(max_k=10_000))
    assert sorted(await ids(made, k=10_000)) == IDS
    assert sorted(await ids(made, user={"id": "ann"}, k=10_000)) == sorted(set(IDS) - set(HISTORIES["ann"]))
    assert len(await ids(made, items=["100"], k=9_999, diversity=0.3, explain=True)) == 59
    made.model.close()


async def test_diversity_trades_likeness_for_variety(books: Made) -> None:
    plain = await recommend(books, user={"id": "bob"})
    diverse = await recommend(books, user={"id": "bob"}, diversity=0.9)
    assert plain.items[0].id == diverse.items[0].id

    def genres(got: Recommended) -> int:
        return len({books.genre_of(item.id) for item in got.items})

    assert genres(plain) < genres(diverse)
    assert await ids(books, user={"id": "bob"}, diversity=0.0) == [item.id for item in plain.items]


async def test_reasons_come_when_asked_for(books: Made) -> None:
    got = await recommend(books, user={"id": "bob"}, explain=True, k=3)
    for item in got.items:
        assert item.reasons is not None
        nearest = item.reasons[0]
        assert isinstance(nearest, Nearest)
        assert nearest.id in HISTORIES["bob"]
    assert all(item.reasons is None for item in (await recommend(books, user={"id": "bob"})).items)
    many = await recommend(books, items=["101"], explain=True, k=50)
    few = await recommend(books, items=["101"], explain=True, k=40)
    assert many.items[:40] == few.items


async def test_without_an_encoder_of_people_a_history_is_averaged(works: Made) -> None:
    got = await recommend(works, user={"id": "ann", "history": ["100", "104", "nothing"]})
    assert {works.genre_of(item.id) for item in got.items} == {"fantasy"}
    assert not {"100", "104"} & {item.id for item in got.items}
    assert (got.strategy, got.cold_start, got.unknown) == (Strategy.USER, False, ["nothing"])
    anchored = await recommend(works, items=["100", "104"])
    assert [item.id for item in anchored.items] == [item.id for item in got.items]


@pytest.mark.parametrize(
    ("asked", "code", "param", "told"),
    [
        ({"k": 0}, Code.INVALID_VALUE, "k", "between 1 and 50"),
        ({"k": 51}, Code.INVALID_VALUE, "k", "between 1 and 50"),
        ({"items": []}, Code.INVALID_VALUE, "items", "empty"),
        ({"items": ["100"] * 21}, Code.TOO_LARGE, "items", "limit is 20"),
        ({"items": [None]}, Code.INVALID_VALUE, "items.0", "string or an integer, not null"),
        ({"items": ["100", True]}, Code.INVALID_VALUE, "items.1", "not a boolean"),
        ({"items": ["100", 1.0]}, Code.INVALID_VALUE, "items.1", "not a number"),
        ({"items": ["100", ["101"]]}, Code.INVALID_VALUE, "items.1", "not a list"),
        ({"items": ["100", {"titel": "x"}]}, Code.INVALID_VALUE, "items.1.titel", "no field 'titel'"),
        ({"items": [{"title": "x", "tags": [5]}]}, Code.INVALID_VALUE, "items.0.tags", "must be a string"),
        ({"record": {}}, Code.INVALID_VALUE, "record", "nothing that the model reads"),
        ({"record": {"titel": "x"}}, Code.INVALID_VALUE, "record.titel", "no field"),
        ({"record": {"title": "x"}}, Code.INVALID_VALUE, "record", "tags, author"),
        ({"record": {"author": float("nan")}}, Code.INVALID_VALUE, "record.author", "string"),
        ({"user": {"id": "ann"}, "items": ["100"]}, Code.INVALID_VALUE, "items", "user and items"),
        ({"items": ["100"], "record": {"title": "x"}}, Code.INVALID_VALUE, "record", "items and record"),
        ({"user": []}, Code.INVALID_VALUE, "user", "not a list"),
        ({"user": {"name": "ann"}}, Code.INVALID_VALUE, "user.name", "id, history, attributes"),
        ({"user": {"id": 1.5}}, Code.INVALID_VALUE, "user.id", "not a number"),
        ({"user": {"id": True}}, Code.INVALID_VALUE, "user.id", "not a boolean"),
        ({"user": {"id": ["ann"]}}, Code.INVALID_VALUE, "user.id", "not a list"),
        ({"user": {"history": "100"}}, Code.INVALID_VALUE, "user.history", "a list of ids"),
        ({"user": {"history": ["100", None]}}, Code.INVALID_VALUE, "user.history.1", "not null"),
        ({"user": {"history": [{"id": "100"}]}}, Code.INVALID_VALUE, "user.history.0", "not an object"),
        ({"user": {"history": ["100"] * 101}}, Code.TOO_LARGE, "user.history", "limit is 100"),
        ({"user": {"attributes": []}}, Code.INVALID_VALUE, "user.attributes", "an object"),
        ({"user": {"attributes": {"shoe": 5}}}, Code.INVALID_VALUE, "user.attributes.shoe", "reads country, age"),
        ({"user": {"attributes": {"": 5}}}, Code.INVALID_VALUE, "user.attributes.", "reads country, age"),
        ({"user": {"attributes": {"age": True}}}, Code.INVALID_VALUE, "user.attributes", "not a boolean"),
        ({"user": {"attributes": {"age": float("nan")}}}, Code.INVALID_VALUE, "user.attributes", "finite"),
        ({"user": {"attributes": {"country": ["x"]}}}, Code.INVALID_VALUE, "user.attributes", "not a list"),
        ({"exclude": "100"}, Code.INVALID_VALUE, "exclude", "a list of ids"),
        ({"exclude": [None]}, Code.INVALID_VALUE, "exclude.0", "not null"),
        ({"exclude": ["100"] * 101}, Code.TOO_LARGE, "exclude", "limit is 100"),
        ({"filters": {"any": {"genre": "war"}}}, Code.INVALID_VALUE, "filters.any.genre", "tags, author"),
    ],
)
async def test_what_cannot_be_answered_is_told_with_its_place(
    books: Made, asked: dict[str, Any], code: Code, param: str, told: str
) -> None:
    with pytest.raises(JubakoError, match=told) as caught:
        await recommend(books, **asked)
    assert (caught.value.code, caught.value.param) == (code, param)


async def test_a_model_without_attributes_says_so(works: Made) -> None:
    with pytest.raises(JubakoError, match="reads none"):
        await recommend(works, user={"attributes": {"country": "japan"}})


async def test_the_deadline_holds_for_every_way_to_an_answer(books: Made) -> None:
    for asked in ({}, {"user": {"id": "ann"}}, {"items": ["101"]}, {"record": BOOKS[0]}):
        with pytest.raises(JubakoError) as caught:
            await books.model.recommend(Asked(**asked), deadline=monotonic() - 1)
        assert caught.value.code is Code.DEADLINE


async def test_requests_that_come_together_are_encoded_together_and_answered_as_if_alone(books: Made) -> None:
    records = [{"tags": [book["tags"][0]], "author": book["author"]} for book in BOOKS]
    alone = [await ids(books, record=record) for record in records]
    before = books.devices[Role.ITEM].batches
    together = await asyncio.gather(*(ids(books, record=record) for record in records))
    assert together == alone
    assert books.devices[Role.ITEM].batches - before < len(records) / 2


async def test_a_cancelled_request_leaves_nothing_behind(books: Made) -> None:
    tasks = [asyncio.create_task(ids(books, user={"id": "ann"}, k=50, explain=True)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    expected = await ids(books, user={"id": "ann"}, k=50)
    assert all(result == expected for result in results[1::2])


async def test_items_people_and_records_are_embedded_each_in_its_place(books: Made) -> None:
    record, person = {"tags": ["war"]}, {"id": "ann", "history": ["103"]}
    result = await embed(books, ["103", record, {"user": person}, 104, {"user": {"id": "ann"}}, BOOKS[7]])
    vectors = books.catalogue.vectors
    expected = [
        vectors[3], books.encode(Role.ITEM, record),
        books.encode(Role.USER, {"id": "ann", "history": [*HISTORIES["ann"], "103"]}), vectors[4],
        books.encode(Role.USER, {"id": "ann", "history": HISTORIES["ann"]}), vectors[7],
    ]  # fmt: skip
    np.testing.assert_allclose(np.stack([np.asarray(output) for output in result.outputs]), expected, atol=1e-6)
    assert result.tokens > 0


async def test_one_bad_input_is_told_in_its_place(books: Made) -> None:
    inputs: list[object] = [
        "nope",
        None,
        {"titel": "x"},
        {"user": {"history": [None]}},
        {"user": 5},
        "103",
        {},
        {"user": {}, "id": 1},
    ]
    result = await embed(books, inputs)
    told = {place: (error.code, error.param) for place, error in result.errors.items()}
    assert told == {
        0: (Code.UNKNOWN_ITEM, "inputs.0"),
        1: (Code.INVALID_VALUE, "inputs.1"),
        2: (Code.INVALID_VALUE, "inputs.2.titel"),
        3: (Code.INVALID_VALUE, "inputs.3.user.history.0"),
        4: (Code.INVALID_VALUE, "inputs.4.user"),
        6: (Code.INVALID_VALUE, "inputs.6"),
        7: (Code.INVALID_VALUE, "inputs.7.user"),
    }


async def test_people_are_embedded_by_what_they_read_where_no_encoder_reads_them(works: Made) -> None:
    result = await embed(works, [{"user": {"history": ["101", "nothing"]}}, {"user": {"id": "ann"}}])
    np.testing.assert_allclose(np.asarray(result.outputs[0]), works.catalogue.vectors[1], atol=1e-6)
    assert result.errors[1].param == "inputs.1.user"


async def test_there_are_no_prompts(books: Made) -> None:
    with pytest.raises(JubakoError, match="no prompts"):
        await embed(books, ["103"], prompt="query")


async def test_a_check_makes_every_part_compute(books: Made) -> None:
    searched: Any = books.model._search.backend
    searched.last_success -= 100
    assert books.model.last_success_age_s > 99
    before = {role: device.batches for role, device in books.devices.items()}
    await books.model.check(5)
    assert books.model.last_success_age_s < 5
    assert all(device.batches > before[role] for role, device in books.devices.items())


some_ids = st.lists(st.sampled_from([*IDS, "nothing"]), max_size=12)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=some_ids,
    name=st.sampled_from([None, "ann", "nobody"]),
    exclude=some_ids,
    k=st.integers(1, 50),
    genre=st.sampled_from([None, "war", "horror"]),
    diversity=st.sampled_from([0.0, 0.5, 1.0]),
)
async def test_whoever_asks_gets_as_many_items_as_may_be_each_once_and_none_that_may_not(
    books: Made, history: list[str], name: str | None, exclude: list[str], k: int, genre: str | None, diversity: float
) -> None:
    filters = {"required": {"tags": genre}} if genre else None
    user = {"id": name, "history": history}
    got = await ids(books, user=user, exclude=exclude, k=k, filters=filters, diversity=diversity)
    seen = {*history, *HISTORIES.get(name or "", [])}
    may = [one for one in IDS if one not in seen | set(exclude) and (genre is None or books.genre_of(one) == genre)]
    assert len(got) == len(set(got)) == min(k, len(may))
    assert set(got) <= set(may)
