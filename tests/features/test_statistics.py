import math
from datetime import UTC, date, datetime

import pytest

from features.statistics import MEASURES, Statistics, parse_chapters


def measured(**told: object) -> dict[str, float]:
    return dict(zip(MEASURES, Statistics.model_validate(told).numbers(), strict=True))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("3/5", (3, 5, 0)),
        ("5/5", (5, 5, 1)),
        ("1/1", (1, 1, 1)),
        ("3/?", (3, 0, 0)),
        ("3/", (3, 0, 0)),
        ("7", (7, 7, 1)),
        (" 1,200 / 1,300 ", (1200, 1300, 0)),
        ("6/5", (6, 5, 1)),
        ("0/5", (0, 5, 0)),
        ("0/0", (0, 0, 0)),
    ],
)
def test_chapters_are_read_as_an_archive_writes_them(written: str, expected: tuple[float, float, float]) -> None:
    assert parse_chapters(written) == expected


@pytest.mark.parametrize("written", ["", "  "])
def test_blank_chapters_tell_nothing(written: str) -> None:
    assert all(map(math.isnan, parse_chapters(written)))


@pytest.mark.parametrize("written", ["?", "x", "3/5/7", "-1", "3/five", "½", ",", "3.5", "99999999999/?"])
def test_what_are_no_chapters_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_chapters(written)


def test_chapters_may_be_a_number() -> None:
    assert measured(chapters=7)["complete_chapters"] == measured(chapters=7.0)["complete_chapters"] == 7


def test_a_work_without_chapters_divides_by_one() -> None:
    numbers = measured(words=900, chapters="0/3", published="2020-01-01", updated="2020-01-31")
    assert (numbers["words_per_chapter"], numbers["days_per_chapter"]) == (900, 30)


def test_words_alone_make_a_work_of_one_chapter() -> None:
    assert measured(words=900)["words_per_chapter"] == 900


def test_a_work_never_updated_was_updated_when_it_was_published() -> None:
    numbers = measured(published="2020-12-31")
    assert (numbers["publish_year"], numbers["update_year"], numbers["days_between_publish_update"]) == (2020, 2020, 0)


def test_an_update_before_publication_is_no_negative_time() -> None:
    assert measured(published="2020-12-31", updated="2019-12-31")["days_between_publish_update"] == 0


def test_days_are_read_as_dates_times_and_strings() -> None:
    day = date(2024, 5, 9)
    for written in (day, "2024-05-09", " 2024-05-09 ", "2024-05-09T23:30:00Z", datetime(2024, 5, 9, 12, tzinfo=UTC)):
        assert Statistics.model_validate({"published": written}).published == day
    assert Statistics.model_validate({"published": "", "updated": None}) == Statistics()


@pytest.mark.parametrize("written", [20240509, True, "9 May 2024", "2024-13-01", [2024, 5, 9], date(9999, 1, 1)])
def test_what_is_no_day_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="must be a date"):
        Statistics.model_validate({"published": written})


def test_a_count_not_shown_is_none_and_a_count_not_told_is_unknown() -> None:
    assert Statistics.model_validate({"kudos": "", "hits": None}) == Statistics(kudos=0)
    assert math.isnan(measured()["hits"])
