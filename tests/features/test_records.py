import html
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.clean import Cleaning
from features.records import Book, Kind, Paper, RecordError, parse_record

CLEANING = Cleaning()


@pytest.mark.parametrize(("kind", "expected"), [("book", Book(description="x")), ("paper", Paper(abstract="x"))])
def test_a_bare_string_is_the_body(kind: Kind, expected: Book | Paper) -> None:
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
    ],
)
def test_what_is_no_record_is_refused_with_advice(kind: Kind, value: Any, param: str | None, words: list[str]) -> None:
    with pytest.raises(RecordError) as caught:
        parse_record(kind, value)
    assert caught.value.param == param
    assert all(word in caught.value.message for word in words), caught.value.message


def test_the_text_has_the_fields_in_the_order_asked_for_and_no_empty_lines() -> None:
    book = Book(title="Salt &amp; Rice", description="A <b>bento</b>.\nSecond  line", author="")
    assert book.text(("title", "author", "description"), CLEANING) == "Salt & Rice\nA bento. Second line"
    assert book.text(("description", "title"), CLEANING) == "A bento. Second line\nSalt & Rice"


def test_nothing_is_left_of_a_record_that_is_markup_alone() -> None:
    assert Book(description="<br/>&nbsp;").text(("title", "description"), CLEANING) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["title", "description", "abstract", "author", "authors", "isbn"])


@given(st.sampled_from(["book", "paper"]), JSON | st.dictionaries(KEYS, JSON, max_size=4))
def test_any_value_becomes_a_record_with_text_or_a_record_error(kind: Kind, value: Any) -> None:
    try:
        record = parse_record(kind, value)
    except RecordError:
        return
    assert any(getattr(record, field) for field in record.essential)
    assert isinstance(record.text(record.essential, CLEANING), str)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_a_string_and_its_record_read_the_same(text: str) -> None:
    fields = ("title", "abstract")
    as_record = parse_record("paper", {"abstract": html.escape(text)})
    assert parse_record("paper", text).text(fields, CLEANING) == as_record.text(fields, CLEANING)
