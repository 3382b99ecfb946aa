from pathlib import Path

import polars as pl

from training.data.amazon_books import AMAZON_BOOKS
from training.data.goodbooks import GOODBOOKS, SHELVED, SHELVES
from training.data.interactions import InteractionsConfig, load_interactions
from training.data.reading import read_tables
from training.data.tables import Tables

BOOKS = pl.DataFrame(
    {
        "book_id": [1, 2, 3], "goodreads_book_id": [101, 102, 103], "title": ["Emma", "Dune", "It"],
        "authors": ["Jane Austen", "Frank Herbert, A. Other", "Stephen King"],
        "original_publication_year": [1815, 1965, None],
        "tag_name": [["to-read", "romance", "favourites", "emma-reads"], ["sci-fi", "owned"], None],
        "tag_count": [[900, 20, 10, 5], [70, 9], None],
        "genres_shelf": [["classics", "romance"], ["science-fiction"], []],
    }
)  # fmt: skip
RATINGS = pl.DataFrame(
    {
        "user_id": [7, 7, 8, 9],
        "book_id": [1, 2, 1, 3],
        "rating": [5, 3, 1, 2],
        "full_history": [True, True, True, False],
    }
)


def goodbooks(folder: Path, books: pl.DataFrame = BOOKS) -> Tables:
    paths = [folder / name for name in GOODBOOKS.forms[1]]
    RATINGS.write_parquet(paths[0])
    books.write_parquet(paths[1])
    return read_tables(GOODBOOKS, paths)


def test_goodbooks_keeps_readers_whose_history_is_whole(tmp_path: Path) -> None:
    assert goodbooks(tmp_path).meetings.select("user", "item", "rating").rows() == [
        ("7", "1", 5.0),
        ("7", "2", 3.0),
        ("8", "1", 1.0),
    ]


def test_goodbooks_tags_are_shelves_that_are_genres(tmp_path: Path) -> None:
    books = goodbooks(tmp_path).books
    assert books.select("id", "author", "year", "tags").rows() == [
        ("1", "Jane Austen", 1815, ["classics", "romance"]),
        ("2", "Frank Herbert, A. Other", 1965, ["science-fiction"]),
        ("3", "Stephen King", None, []),
    ]


def test_shelves_that_few_books_are_on_are_no_genres(tmp_path: Path) -> None:
    many = pl.DataFrame(
        {
            "book_id": range(1000), "title": "T", "authors": "A", "original_publication_year": 2000,
            "tag_name": [["poe", "horror", *"abcdefghij"]] * SHELVED + [["horror", "kindle"]] * (1000 - SHELVED),
            "tag_count": [[9, 8, *range(1, 11)]] * SHELVED + [[2, 3]] * (1000 - SHELVED),
            "genres_shelf": [[]] * 1000,
        },
        schema_overrides={"genres_shelf": pl.List(pl.String)},
    )  # fmt: skip
    assert goodbooks(tmp_path, many).books["tags"][0].to_list() == ["j", "i", "poe", "h", "horror", "g", "f", "e"]
    few = many.with_columns(
        tag_name=pl.when(pl.col("book_id") > 0).then("tag_name").otherwise(pl.lit(["one", "horror"])),
        tag_count=pl.when(pl.col("book_id") > 0).then("tag_count").otherwise(pl.lit([9, 8])),
    )
    assert goodbooks(tmp_path, few).books["tags"][0].to_list() == ["horror"]
    assert SHELVES == 8


def test_the_public_files_of_goodbooks_are_read(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in GOODBOOKS.forms[-1]]
    RATINGS.drop("full_history").write_csv(paths[0])
    years = pl.col("original_publication_year").cast(pl.Float64)
    BOOKS.select("book_id", "goodreads_book_id", "title", "authors", years).write_csv(paths[1])
    shelves = {"goodreads_book_id": [101, 101, 102, 102], "tag_id": [1, 2, 3, 1], "count": [5, 9, 7, 90]}
    pl.DataFrame(shelves).write_csv(paths[2])
    pl.DataFrame({"tag_id": [1, 2, 3], "tag_name": ["to-read", "romance", "sf"]}).write_csv(paths[3])
    read = read_tables(GOODBOOKS, paths)
    assert read.meetings.height == 4
    assert read.books.select("title", "year", "tags").rows() == [
        ("Emma", 1815, ["romance"]),
        ("Dune", 1965, ["science-fiction"]),
        ("It", None, []),
    ]


def test_amazon_books_knows_titles_of_some(tmp_path: Path) -> None:
    met, items = (tmp_path / name for name in AMAZON_BOOKS.forms[1])
    pl.DataFrame({"user_id": [0, 0, 1], "item_id": [5, 6, 5], "source_bits": [1, 1, 4]}).write_parquet(met)
    pl.DataFrame(
        {
            "item_id": [5, 6],
            "asin": ["A", "B"],
            "title": ["The Prophet", None],
            "author": ["Gibran", None],
            "year": [1923, None],
        }
    ).write_parquet(items)
    config = InteractionsConfig(name="amazon-books", path=tmp_path, min_user=1, min_item=1)
    data = load_interactions(config)
    assert data.ratings is None
    assert data.times is None
    assert data.books["title"].to_list() == ["The Prophet", ""]
    titled = load_interactions(config.model_copy(update={"untitled": "drop"}))
    assert titled.item_ids == ("5",)


def test_the_public_lists_of_amazon_books_are_read(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in AMAZON_BOOKS.forms[-1]]
    for path, text in zip(paths, ("0 3 1\n1 2 \n", "0 2\n2\n", "org_id remap_id\n00A 0\n00B 1\n"), strict=True):
        path.write_text(text)
    read = read_tables(AMAZON_BOOKS, paths)
    assert read.meetings.select("user", "item").rows() == [("0", "3"), ("0", "1"), ("1", "2"), ("0", "2")]
    assert read.books["id"].to_list() == ["0", "1"]
