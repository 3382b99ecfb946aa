import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.people import Interaction, User
from features.record import Record, RecordError, read_record


def test_ids_may_be_numbers_and_blanks_are_passed_over() -> None:
    user = read_record(User, {"user_id": 7, "history": [35143, "34982", None, " ", 12.0]})
    assert user == User(id="7", history=("35143", "34982", "12"))
    assert user.values("history") == ["35143", "34982", "12"]


def test_a_user_may_be_unknown() -> None:
    assert read_record(User, {}) == read_record(User, {"id": "", "history": None, "attributes": None}) == User()


def test_attributes_are_reached_by_their_names() -> None:
    user = read_record(User, {"attributes": {"country": " usa ", "age": 34, "income": 1.5, "town": "", "pet": None}})
    assert user.values("attributes.country") == ["usa"]
    assert user.values("attributes.age") == ["34"]
    assert user.values("attributes.income") == ["1.5"]
    assert user.values("attributes.town") == user.values("attributes.pet") == user.values("attributes.any") == []


@pytest.mark.parametrize(
    ("model", "value", "param", "words"),
    [
        (User, {"history": "35143"}, "history", ["'history'", "a list of ids", "a string"]),
        (User, {"history": [True]}, "history", ["'history'", "True"]),
        (User, {"history": [["35143"]]}, "history", ["'history'", "a list"]),
        (User, {"id": {}}, "id", ["'id'", "an object"]),
        (User, {"attributes": ["usa"]}, "attributes", ["'attributes'", "an object", "a list"]),
        (User, {"attributes": {"age": [34]}}, "attributes", ["'attributes' has 'age'", "a list"]),
        (User, {"attributes": {"age": math.inf}}, "attributes", ["'attributes' has 'age'", "finite"]),
        (User, {"books": []}, "books", ["a user has no field 'books'", "history"]),
        (User, "ann", None, ["a user is an object", "a string"]),
        (Interaction, {"user": 1}, "item", ["'item'"]),
        (Interaction, {"user": " ", "item": 1}, "user", ["'user'", "empty"]),
        (Interaction, {"user": 1, "item": 1, "rating": "good"}, "rating", ["'rating'", "'good'"]),
        (Interaction, {"user": 1, "item": 1, "time": "noon"}, "time", ["'time'"]),
        (Interaction, [1, 2], None, ["an interaction is an object", "a list"]),
    ],
)
def test_what_is_wrong_is_told_by_its_field(
    model: type[Record], value: Any, param: str | None, words: list[str]
) -> None:
    with pytest.raises(RecordError) as caught:
        read_record(model, value)
    assert caught.value.param == param
    assert all(word in caught.value.message for word in words), caught.value.message


def test_an_interaction_is_read_under_the_names_of_data_sets() -> None:
    read = read_record(Interaction, {"user_id": 1, "item_id": "b", "rating": "4.5", "timestamp": "1970-01-02"})
    assert read == Interaction(user="1", item="b", rating=4.5, time=86400.0)
    assert read_record(Interaction, {"user": 1, "item": 2, "rating": None, "time": 86400}).time == 86400.0


def test_a_time_without_a_zone_is_the_same_everywhere() -> None:
    times = ["1970-01-01T01:00:00", "1970-01-01T01:00:00Z", "1970-01-01T03:00:00+02:00"]
    assert {read_record(Interaction, {"user": 1, "item": 1, "time": time}).time for time in times} == {3600.0}


ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@given(ANY | st.lists(ANY, max_size=4), st.dictionaries(st.text(max_size=4), ANY, max_size=3), ANY)
def test_any_user_is_read_or_refused_and_reading_again_changes_nothing(history: Any, about: Any, name: Any) -> None:
    try:
        user = read_record(User, {"id": name, "history": history, "attributes": about})
    except RecordError:
        return
    assert read_record(User, user.model_dump(mode="json")) == user
    assert all(user.values("history"))
