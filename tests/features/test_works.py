import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.record import RecordError, read_record
from features.records import parse_record
from features.works import DENSE, SPARSE, Tags, Work

FATHER = {
    "work_id": 4,
    "title": "5 Times Jon Snow Knew Nothing",
    "authors": ["daenys"],
    "summary": "On HIATUS until winter.",
    "tags": {"fandom": "A Song of Ice and Fire", "relationship": ["Jon Snow/Sansa Stark", ""], "rating": None},
    "statistics": {
        "words": "12,000",
        "hits": 6304,
        "kudos": "",
        "comments": 12.0,
        "chapters": "3/5",
        "published": "2024-05-09",
        "status": "2024-05-21",
    },
    "language": "English",
}


def test_a_work_is_read_as_its_archive_shows_it() -> None:
    work = parse_record("work", FATHER)
    assert isinstance(work, Work)
    assert work.id == "4"
    assert work.tags == Tags(fandom=("A Song of Ice and Fire",), relationship=("Jon Snow/Sansa Stark",))
    assert (work.statistics.words, work.statistics.kudos, work.statistics.bookmarks) == (12000, 0, None)


def test_the_seventeen_dense_features_keep_their_order() -> None:
    numbers = dict(zip(DENSE, read_record(Work, FATHER).numbers(), strict=True))
    assert math.isnan(numbers.pop("bookmarks"))
    assert numbers == {
        "hits": 6304,
        "kudos": 0,
        "words": 12000,
        "comments": 12,
        "complete_chapters": 3,
        "total_chapters": 5,
        "is_complete": 0,
        "words_per_chapter": 4000,
        "publish_year": 2024,
        "update_year": 2024,
        "days_between_publish_update": 12,
        "days_per_chapter": 4,
        "characters_in_summary": 23,
        "words_in_summary": 4,
        "5times_in_title": 1,
        "hiatus_in_summary": 1,
    }
    assert DENSE[:5] == ("hits", "kudos", "words", "comments", "bookmarks")
    assert len(DENSE) == 17


def test_a_work_of_which_nothing_is_told_has_numbers_all_the_same() -> None:
    assert [name for name, number in zip(DENSE, Work().numbers(), strict=True) if not math.isnan(number)] == [
        "characters_in_summary",
        "words_in_summary",
        "5times_in_title",
        "hiatus_in_summary",
    ]


def test_all_seven_sparse_fields_are_reached_by_their_paths() -> None:
    kinds = ("fandom", "category", "rating", "character", "relationship", "freeform")
    work = read_record(Work, {"tags": {kind: f"a {kind}" for kind in kinds}, "author": "me"})
    assert [work.values(source) for source in SPARSE] == [*([f"a {kind}"] for kind in kinds), ["me"]]
    assert work.values("tags") == [f"a {kind}" for kind in kinds]
    assert Work().values("tags") == []


def test_tags_alone_make_a_work() -> None:
    assert parse_record("work", {"tags": {"fandom": ["Star Trek"]}}).values("tags.fandom") == ["Star Trek"]


@pytest.mark.parametrize(
    ("value", "param", "words"),
    [
        ({"statistics": {"words": -1}}, "statistics.words", ["'statistics.words'", "from 0", "-1"]),
        ({"statistics": {"hits": "many"}}, "statistics.hits", ["'statistics.hits'", "'many'"]),
        ({"statistics": {"hits": 10**30}}, "statistics.hits", ["'statistics.hits'", "10,000,000,000"]),
        ({"statistics": {"hits": math.nan}}, "statistics.hits", ["'statistics.hits'", "finite"]),
        ({"statistics": {"hits": "1e999"}}, "statistics.hits", ["'statistics.hits'", "finite"]),
        ({"statistics": {"kudos": 1.5}}, "statistics.kudos", ["'statistics.kudos'", "whole number", "1.5"]),
        ({"statistics": {"kudos": [1]}}, "statistics.kudos", ["'statistics.kudos'", "a list"]),
        ({"statistics": {"chapters": "-3/5"}}, "statistics.chapters", ["'statistics.chapters'", "'3/5'", "'-3/5'"]),
        ({"statistics": {"published": "someday"}}, "statistics.published", ["'2024-05-09'", "'someday'"]),
        ({"statistics": {"published": "0001-01-01"}}, "statistics.published", ["'0001-01-01'"]),
        ({"statistics": {"read": 1}}, "statistics", ["'statistics' has no field 'read'", "words, hits"]),
        ({"statistics": {"status": None, "updated": None}}, "statistics", ["'updated'", "'status'"]),
        ({"statistics": 5}, "statistics", ["'statistics' must be an object", "a number"]),
        ({"tags": ["Star Trek"]}, "tags", ["'tags' must be an object with fandom", "a list"]),
        ({"tags": {"ship": "Kirk/Spock"}}, "tags", ["'tags' has no field 'ship'", "relationship"]),
        ({"tags": {"fandom": [1]}}, "tags.fandom", ["'tags.fandom'", "a string"]),
        ({"tags": {}, "statistics": None}, "summary", ["needs text", "'tags'"]),
    ],
)
def test_what_is_wrong_with_a_work_is_told_by_its_field(value: Any, param: str, words: list[str]) -> None:
    with pytest.raises(RecordError) as caught:
        parse_record("work", value)
    assert caught.value.param == param
    assert all(word in caught.value.message for word in words), caught.value.message


COUNTS = st.none() | st.integers(0, 10**10) | st.integers(0, 10**10).map("{:,}".format) | st.just("")
CHAPTERS = st.sampled_from(["3/5", "3/?", "7", "", "0/5", "0/0", "1,000/?", 7, 0, None])
DATES = st.none() | st.dates().map(lambda day: day.replace(year=1900 + day.year % 200).isoformat()) | st.just("")


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("words", "hits", "kudos", "comments", "bookmarks"), COUNTS),
            **dict.fromkeys(("published", "updated"), DATES.filter(lambda day: day is None or "-02-29" not in day)),
            "chapters": CHAPTERS,
        },
    )
)
def test_no_statistics_divide_by_zero_or_go_below_it(statistics: dict[str, Any]) -> None:
    numbers = read_record(Work, {"statistics": statistics}).numbers()
    assert all(math.isnan(number) or 0 <= number < math.inf for number in numbers)
