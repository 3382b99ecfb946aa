"""goodbooks-10k: the ratings of ten thousand books by Goodreads' readers, as the public CSV files and as Parquet.

The Parquet form has, besides readers with all they rated, some of whom only a part is there; the latter are left out.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from training.data.source import Form, InteractionSource
from training.data.tables import Tables, tables

NO_GENRE = (
    r"read|own|favo|fave|kindle|e-?book|audi|librar|club|wish|to-|shel|challenge|default|star|abandon|dnf|finish|books?$"
    r"|\d{3}|novels?$|borrow|review|^my-|^i-|maybe|stand-alone|series|trilog|general|english|have|loved|adult-fiction$"
    r"|^fiction$|^literature$|^nook$|^school$|^calibre$|^gave|^loan|^must|^all-time|^recommend|^next|^unfinished|^home$"
)
"""Shelves that say something about the copy or the reader, or nothing."""
SAME = {
    "ya": "young-adult",
    "teen": "young-adult",
    "sci-fi": "science-fiction",
    "scifi": "science-fiction",
    "sf": "science-fiction",
    "non-fiction": "nonfiction",
    "humour": "humor",
    "funny": "humor",
    "children": "childrens",
    "children-s": "childrens",
    "kids": "childrens",
    "classic": "classics",
    "memoirs": "memoir",
    "mysteries": "mystery",
    "vampire": "vampires",
    "dystopia": "dystopian",
    "graphic-novel": "graphic-novels",
    "comic": "comics",
}
SHELVED = 40
"""Books from which a shelf is a genre: rarer ones are names of authors, heroes and series."""
SHELVES = 8
"""Shelves of a book, the most used first."""
MOST = 2**31 - 1
"""Count of the shelves that are genres by the table's own word, which go first."""


def read_parquet(paths: Sequence[Path]) -> Tables:
    """Read the ratings of readers whose histories are whole, and the books."""
    ratings, books = map(pl.read_parquet, paths)
    shelves = books.select("book_id", "tag_name", "tag_count").explode("tag_name", "tag_count")
    listed = books.select("book_id", tag_name="genres_shelf", tag_count=pl.lit(MOST)).explode("tag_name")
    both = pl.concat([listed, shelves], how="vertical_relaxed")
    return _tables(ratings.filter("full_history"), books, both.drop_nulls())


def read_csv(paths: Sequence[Path]) -> Tables:
    """Read the public files: ratings, books, how often each book is on each shelf, and the shelves' names."""
    ratings, books, counts, names = (pl.read_csv(path, infer_schema_length=None) for path in paths)
    shelves = counts.join(names, on="tag_id").join(books.select("goodreads_book_id", "book_id"), on="goodreads_book_id")
    return _tables(ratings, books, shelves.select("book_id", "tag_name", tag_count="count"))


def _tables(ratings: pl.DataFrame, books: pl.DataFrame, shelves: pl.DataFrame) -> Tables:
    described = books.join(_genres(shelves), on="book_id", how="left").select(
        "title", "tags", id="book_id", author="authors", year=pl.col("original_publication_year").cast(pl.Int64)
    )
    return tables(ratings.select("rating", user="user_id", item="book_id"), described)


def _genres(shelves: pl.DataFrame) -> pl.DataFrame:
    """Return book_id and tags: the names of its shelves that are genres, without repeats."""
    meant = shelves.with_columns(tag_name=pl.col("tag_name").replace(SAME))
    counted = (
        meant.filter(~pl.col("tag_name").str.contains(NO_GENRE))
        .group_by("book_id", "tag_name").agg(pl.col("tag_count").max())
        .filter(pl.len().over("tag_name") >= pl.min_horizontal(SHELVED, pl.col("book_id").n_unique() / 10))
        .sort("book_id", "tag_count", "tag_name", descending=[False, True, False])
    )  # fmt: skip
    return counted.group_by("book_id", maintain_order=True).agg(tags=pl.col("tag_name").head(SHELVES))


GOODBOOKS = InteractionSource(
    name="goodbooks",
    kind="book",
    published=(
        Form(
            {
                "goodbooks_ratings.parquet": frozenset({"user_id", "book_id", "rating", "full_history"}),
                "goodbooks_books.parquet": frozenset({"book_id", "title", "authors", "tag_name", "tag_count"}),
            },
            read_parquet,
        ),
        Form(
            {
                "ratings.csv": frozenset({"user_id", "book_id", "rating"}),
                "books.csv": frozenset({"book_id", "goodreads_book_id", "title", "authors"}),
                "book_tags.csv": frozenset({"goodreads_book_id", "tag_id", "count"}),
                "tags.csv": frozenset({"tag_id", "tag_name"}),
            },
            read_csv,
        ),
    ),
    about="ratings of ten thousand popular books by readers of Goodreads, whole histories",
    terms="goodbooks-10k (Zajac 2017): CC BY-SA 4.0",
    urls=("https://github.com/zygmuntz/goodbooks-10k/releases/download/v1.0/goodbooks-10k.zip",),
    by_hand="download goodbooks-10k.zip from https://github.com/zygmuntz/goodbooks-10k/releases",
)
