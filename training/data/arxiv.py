"""Titles and abstracts of arXiv: the public snapshot in JSON lines, and a Parquet file of the same."""

from pathlib import Path

import polars as pl

from features.taxonomies.arxiv import LEGACY

SNAPSHOT: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String,
    "title": pl.String,
    "abstract": pl.String,
    "categories": pl.String,
    "versions": pl.List(pl.Struct({"version": pl.String, "created": pl.String})),
    "update_date": pl.String,
}
CREATED = "%a, %e %b %Y %H:%M:%S GMT"


def read(path: Path) -> pl.DataFrame:
    """Read papers: id, title, abstract, labels by their current names, and time: the day of the first version."""
    frame = _snapshot(path) if path.suffix in (".json", ".jsonl") else _listing(path)
    current = pl.element().replace(LEGACY).unique().sort()
    return frame.select(
        "id",
        *(pl.col(field).fill_null("").str.strip_chars() for field in ("title", "abstract")),
        labels=pl.col("categories").list.eval(current).fill_null([]),
        time=pl.coalesce("time", _month("id")),
    )


def _snapshot(path: Path) -> pl.DataFrame:
    created = pl.col("versions").list.first().struct.field("created").str.to_datetime(CREATED, strict=False)
    return (
        pl.scan_ndjson(path, schema=SNAPSHOT)
        .select(
            "id", "title", "abstract", categories=pl.col("categories").str.split(" "),
            time=pl.coalesce(created.dt.date(), pl.col("update_date").str.to_date(strict=False)),
        )
        .collect()
    )  # fmt: skip


def _listing(path: Path) -> pl.DataFrame:
    frame = pl.read_parquet(path)
    return frame.select(
        pl.col("arxiv_id").alias("id"), "title", "abstract", "categories", pl.col("first_seen").alias("time")
    )


def _month(column: str) -> pl.Expr:
    """Return the first day of the month that an identifier such as 2606.00001 begins with."""
    return pl.col(column).str.extract(r"^(\d{4})\.").str.to_date("%y%m", strict=False)
