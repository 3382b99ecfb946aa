from pathlib import Path

import polars as pl
import pytest

from tests.training.data.crossing import BOOKS, RATINGS, written
from training.data.book_crossing import BOOK_CROSSING, read_csv, read_parquet, work_ids
from training.data.errors import DataError
from training.data.reading import read_tables
from training.data.tables import Tables


def titles(data: Tables) -> dict[str, str]:
    return dict(data.books.select("id", "title").iter_rows())


def of_title(data: Tables, title: str) -> dict[str, object]:
    return data.books.filter(pl.col("title") == title).row(0, named=True)


@pytest.fixture
def data(tmp_path: Path) -> Tables:
    return read_csv(written(tmp_path))


def test_editions_of_a_work_become_one_item(data: Tables) -> None:
    emma = of_title(data, "EMMA (Classics)")
    assert emma["author"] == "Jane Austen"
    users = data.meetings.filter(pl.col("item") == emma["id"])["user"]
    assert sorted(users) == ["1", "2", "2", "3"]


def test_a_work_is_described_by_its_most_rated_edition(data: Tables) -> None:
    assert of_title(data, "EMMA (Classics)")["year"] == 1996
    assert data.books.filter(pl.col("author") == "Jane Austen").height == 1


def test_the_same_title_by_another_author_is_another_work(data: Tables) -> None:
    assert len(data.books.filter(pl.col("author") == "A. Other")) == 1


def test_quirks_of_the_files_are_undone(data: Tables) -> None:
    assert of_title(data, 'The Word "Desire"; and more')["publisher"] == "Holt & Company"
    assert of_title(data, "Simón")["author"] == "Günter Grass"
    assert of_title(data, "Simón")["year"] is None


def test_ratings_say_how_much_or_nothing(data: Tables) -> None:
    assert data.meetings["rating"].to_list() == [5.0, None, 7.0, 10.0, None, 3.0, None, 8.0]


def test_an_isbn_without_a_book_is_a_work_of_its_own(data: Tables) -> None:
    untitled = [name for name, title in titles(data).items() if not title]
    assert len(untitled) == 2
    assert data.meetings.filter(pl.col("item").is_in(untitled))["user"].to_list() == ["4", "2"]


def test_isbns_are_the_same_whatever_is_around_them(data: Tables) -> None:
    assert data.meetings.filter(pl.col("user") == "4").height == 2  # of which one is written with a small x
    assert titles(data)[data.meetings.filter(pl.col("user") == "4")["item"][1]] == 'The Word "Desire"; and more'


def test_countries_and_ages_are_kept_where_they_make_sense(data: Tables) -> None:
    assert data.people.sort("id").rows() == [
        ("1", "usa", 18),
        ("2", "portugal", None),
        ("3", "denmark", None),
        ("4", "", None),
    ]


def test_works_are_numbered_in_the_order_of_their_keys() -> None:
    books = pl.DataFrame(
        {
            "isbn": ["1", "2", "3", "4", "5", "6"],
            "title": ["Zebra!", "1-2-3: Go", "zebra (New)", None, "Hume", "Hume"],
            "author": ["B", "A", "b.", None, "David Hume", "David, 1711-1776 Hume"],
        }
    )
    assert books.select(work_ids()).to_series().to_list() == [4, 1, 4, 3, 2, 2]


def test_both_forms_say_the_same(tmp_path: Path, data: Tables) -> None:
    books = pl.DataFrame(
        {
            "book_id": [0, 1, 2], "isbn": ["1", "2", "3"], "title": ["Emma", "EMMA (Classics)", None],
            "author": ["Jane Austen", "Jane Austen", None], "year": [1990, 1996, None], "publisher": ["P", "Q", None],
            "work_id": [7, 7, 9],
        }
    )  # fmt: skip
    ratings = pl.DataFrame({"user_id": [1, 2, 3, 3], "book_id": [0, 1, 1, 2], "rating": [5, 0, 7, 0]})
    users = pl.DataFrame({"user_id": [1, 2], "country": ["usa", None], "age": [18, None]})
    paths = [tmp_path / file for file in BOOK_CROSSING.forms[1]]
    for frame, path in zip((ratings, books, users), paths, strict=True):
        frame.write_parquet(path)
    read = read_parquet(paths)
    assert read.books.select("id", "title", "year").rows() == [("7", "EMMA (Classics)", 1996), ("9", "", None)]
    assert read.meetings["item"].to_list() == ["7", "7", "7", "9"]
    assert read.people.rows() == [("1", "usa", 18), ("2", "", None)]
    for ours, theirs in zip(
        (read.meetings, read.books, read.people), (data.meetings, data.books, data.people), strict=True
    ):
        assert ours.schema == theirs.schema


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    paths = written(tmp_path)
    paths[1].write_text('"ISBN";"Book-Title"\n')
    with pytest.raises(DataError, match=r"BX-Books.csv does not hold .* no column Book-Author, Publisher"):
        read_tables(BOOK_CROSSING, paths)
    paths[1].write_text(BOOKS)
    paths[0].write_text(RATINGS.replace('"5"', '"five"'))
    with pytest.raises(DataError, match="cannot be read as book-crossing"):
        read_tables(BOOK_CROSSING, paths)
