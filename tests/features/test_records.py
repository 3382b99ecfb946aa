import html
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.clean import Cleaning
from features.record import has_source, read_record
from features.records import Book, Kind, Paper, Record, RecordError, Work, parse_record

CLEANING = Cleaning()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("book", Book(description="x")), ("paper", Paper(abstract="x")), ("work", Work(summary="x"))],
)
def test_a_bare_string_is_the_body(kind: Kind, expected: Record) -> None:
    assert parse_record(kind, "x") == expected


def test_values_are_taken_as_they_come() -> None:
    book = parse_record(
        "book", {"title": "  Emma ", "description": None, "authors": ["Jane Austen", None, " A. Friend "]}
    )
    assert book == Book(title="Emma", description="", author="Jane Austen, A. Friend")


@pytest.mark.parametrize(
    ("kind", "value", "param", "words"),
    [
        ("book", {"titel": "Emma"}, "titel", ["'titel'", "title, description, author"]),
        ("paper", {"title": "On rice", "author": "me"}, "author", ["'author'", "title, abstract"]),
        ("book", {"title": 1984}, "title", ["'title'", "must be a string", "a number"]),
        ("book", {"title": "Emma", "author": ["Jane", {}]}, "author", ["'author'", "must be a string", "an object"]),
        ("book", {"title": "Emma", "author": "Jane", "authors": "Jane"}, "authors", ["'authors'", "'author'"]),
        ("paper", {"title": " ", "abstract": None}, "abstract", ["needs text", "'title' or 'abstract'"]),
        ("book", {"author": "Jane Austen"}, "description", ["needs text", "'title' or 'description'"]),
        ("book", "   ", "description", ["needs text"]),
        ("book", {}, "description", ["needs text"]),
        ("book", None, None, ["a string or an object", "null"]),
        ("paper", ["On rice"], None, ["a string or an object", "a list"]),
        ("paper", True, None, ["a boolean"]),
        ("paper", {1: "x"}, "1", ["'1'"]),
        ("book", {"title": "Emma", "year": "long ago"}, "year", ["'year'", "such as 1999", "'long ago'"]),
        ("book", {"title": "Emma", "year": 20000}, "year", ["'year'", "20000"]),
        ("book", {"title": "Emma", "year": True}, "year", ["'year'", "True"]),
        ("book", {"title": "Emma", "tags": {"a": 1}}, "tags", ["'tags'", "a string", "an object"]),
        ("book", {"title": "Emma", "id": 1.5}, "id", ["'id'", "whole number", "1.5"]),
        ("book", {"title": "Emma", "id": True}, "id", ["'id'", "whole number"]),
    ],
)
def test_what_is_no_record_is_refused_with_advice(kind: Kind, value: Any, param: str | None, words: list[str]) -> None:
    with pytest.raises(RecordError) as caught:
        parse_record(kind, value)
    assert caught.value.param == param
    assert all(word in caught.value.message for word in words), caught.value.message


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        *((same, 1999) for same in (1999, "1999", " 1999 ", 1999.0, "1999.0", "1999-05-01", "1999/5")),
        *((none, None) for none in (None, "", " ", 0, "0", 0.0)),
        (-720, -720),
        ("-720", -720),
    ],
)
def test_a_year_is_read_however_it_is_written(year: object, expected: int | None) -> None:
    assert Book.model_validate({"year": year}).year == expected


def test_an_id_may_be_a_number_and_tags_one_string() -> None:
    book = read_record(Book, {"id": 35143, "tags": " classics "})
    assert book == Book(id="35143", tags=("classics",)) == read_record(Book, {"id": 35143.0, "tags": ["classics", ""]})
    assert read_record(Book, {"id": " "}).id is None


def test_every_field_gives_its_strings_by_its_path() -> None:
    book = Book(id="7", title="Emma", year=1815, tags=("classics", "comedy"))
    sources = ("id", "title", "year", "tags", "author", "description", "unheard", "text", "title.upper", "tags.0", "")
    assert {source: found for source in sources if (found := book.values(source))} == {
        "id": ["7"],
        "title": ["Emma"],
        "year": ["1815"],
        "tags": ["classics", "comedy"],
    }


def test_which_sources_a_record_can_have_is_known() -> None:
    assert all(has_source(Work, source) for source in ("title", "tags", "tags.fandom", "statistics.words"))
    assert not any(has_source(Work, source) for source in ("", "fandom", "tags.ship", "title.fandom", "tags.", "text"))


def test_what_a_classifier_refuses_for_want_of_text_can_be_recommended() -> None:
    assert read_record(Book, {"author": "Jane Austen"}).author == "Jane Austen"


def test_the_text_has_the_fields_in_the_order_asked_for_and_no_empty_lines() -> None:
    book = Book(title="Salt &amp; Rice", description="A <b>bento</b>.\nSecond  line", author="")
    assert book.text(("title", "author", "description"), CLEANING) == "Salt & Rice\nA bento. Second line"
    assert book.text(("description", "title"), CLEANING) == "A bento. Second line\nSalt & Rice"


def test_the_text_of_several_values_joins_them() -> None:
    assert Book(title="Emma", tags=("<i>classics</i>", "comedy")).text(("title", "tags"), CLEANING) == (
        "Emma\nclassics, comedy"
    )


def test_nothing_is_left_of_a_record_that_is_markup_alone() -> None:
    assert Book(description="<br/>&nbsp;").text(("title", "description"), CLEANING) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["title", "description", "abstract", "author", "authors", "isbn", "id", "year", "tags", "summary", "statistics"]
)


@given(st.sampled_from(["book", "paper", "work"]), JSON | st.dictionaries(KEYS, JSON, max_size=4))
def test_any_value_becomes_a_record_with_text_or_a_record_error(kind: Kind, value: Any) -> None:
    try:
        record = parse_record(kind, value)
    except RecordError:
        return
    assert any(record.values(field) for field in record.essential)
    assert read_record(type(record), record.model_dump(mode="json")) == record
    assert isinstance(record.text(record.essential, CLEANING), str)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_a_string_and_its_record_read_the_same(text: str) -> None:
    fields = ("title", "abstract")
    as_record = parse_record("paper", {"abstract": html.escape(text)})
    assert parse_record("paper", text).text(fields, CLEANING) == as_record.text(fields, CLEANING)
