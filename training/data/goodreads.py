"""Book blurbs with the shelves of readers: the public CSV of Goodreads, and a Parquet file of the same."""

from pathlib import Path

import polars as pl

from features.taxonomies.genres import BY_SHELF

COLUMNS = {"bookId": "id", "goodreads_id": "id", "title": "title", "description": "description", "author": "author"}
_TAG = pl.lit("shelf: ")
QUOTED = r"""'[^']*'|"[^"]*\""""


def read(path: Path) -> pl.DataFrame:
    """Read books: id, title, description, author, labels, and as tags all shelves, of which few are genres.

    The CSV writes its shelves as a Python list, and holds books in all languages, of which the English ones are kept.
    """
    if path.suffix == ".csv":
        frame = pl.read_csv(path, infer_schema=False)
        frame = frame.with_columns(_listed("genres"))
        if "language" in frame.columns:
            frame = frame.filter(pl.col("language").fill_null("English") == "English")
    else:
        frame = pl.read_parquet(path)
    frame = frame.rename({old: new for old, new in COLUMNS.items() if old in frame.columns})
    if "author" not in frame.columns:
        frame = frame.with_columns(author=pl.lit(""))
    return frame.select(
        pl.col("id").cast(pl.String),
        *(pl.col(field).fill_null("").str.strip_chars() for field in ("title", "description", "author")),
        labels=_genres("genres"),
        tags=pl.col("genres").list.eval(_TAG + pl.element()).list.unique().list.sort().fill_null([]),
    )


def _listed(column: str) -> pl.Expr:
    return pl.col(column).str.extract_all(QUOTED).list.eval(pl.element().str.slice(1, pl.element().str.len_chars() - 2))


def _genres(column: str) -> pl.Expr:
    """Map lists of shelves to sorted lists of genres, without repeats."""
    genre = pl.element().str.to_lowercase().replace_strict(BY_SHELF, default=None, return_dtype=pl.String)
    return pl.col(column).list.eval(genre.drop_nulls().unique().sort()).fill_null([])
