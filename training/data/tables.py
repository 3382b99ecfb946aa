"""What every data set of readers is read into: who met which book, the books, the people."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

MEETINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "user": pl.String,
    "item": pl.String,
    "rating": pl.Float32,
    "time": pl.Float64,
}
"""Ids, the rating on the data set's scale (null: they only met), seconds since 1970 (null: not known)."""
BOOKS: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String,
    "title": pl.String,
    "author": pl.String,
    "year": pl.Int64,
    "publisher": pl.String,
    "tags": pl.List(pl.String),
}
PEOPLE: dict[str, pl.DataType | type[pl.DataType]] = {"id": pl.String, "country": pl.String, "age": pl.Int64}

NAMES = ("interactions", "books", "people")
"""What our own files of the three tables are called, behind the name of the data set."""


@dataclass(frozen=True)
class Tables:
    """Three frames with the columns of `MEETINGS`, `BOOKS` and `PEOPLE`; unknown texts are empty, other values null."""

    meetings: pl.DataFrame
    books: pl.DataFrame
    """At most one row for an item; items may have none."""
    people: pl.DataFrame
    """At most one row for a user; users may have none."""


def tables(meetings: pl.DataFrame, books: pl.DataFrame, people: pl.DataFrame | None = None) -> Tables:
    """Give frames their final columns and types; columns that are missing are unknown throughout."""
    nobody = pl.DataFrame(schema=PEOPLE)
    return Tables(
        _shaped(meetings, MEETINGS), _shaped(books, BOOKS), _shaped(people if people is not None else nobody, PEOPLE)
    )


def read_ours(paths: Sequence[Path]) -> Tables:
    """Read the three tables from Parquet files as `write_ours` writes them."""
    meetings, books, people = map(pl.read_parquet, paths)
    return tables(meetings, books, people)


def write_ours(data: Tables, name: str, folder: Path) -> tuple[Path, ...]:
    """Write the three tables as Parquet files into a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / file for file in our_files(name))
    for frame, path in zip((data.meetings, data.books, data.people), paths, strict=True):
        frame.write_parquet(path, compression="zstd")
    return paths


def our_files(name: str) -> tuple[str, ...]:
    """Return the names of our own files of a data set: interactions, books, people."""
    return tuple(f"{name}-{table}.parquet" for table in NAMES)


def _shaped(frame: pl.DataFrame, schema: dict[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    return frame.select(_column(frame, name, kind).alias(name) for name, kind in schema.items())


def _column(frame: pl.DataFrame, name: str, kind: pl.DataType | type[pl.DataType]) -> pl.Expr:
    found = pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, dtype=kind)
    if kind == pl.String:
        return found.fill_null("")
    return found.fill_null([]) if isinstance(kind, pl.List) else found
