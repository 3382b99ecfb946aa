"""Fan works of a large archive, as the makers of a story about ships counted them: tags, kudos, dates; no texts."""

from pathlib import Path

import polars as pl

from training.data.source import WorkSource

KINDS = ("fandom", "category", "rating", "character", "relationship", "freeform", "warning")
"""Kinds of tags, as in `features.works.Tags`."""
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String,
    "title": pl.String,
    "authors": pl.List(pl.String),
    "summary": pl.String,
    "tags": pl.Struct(dict.fromkeys(KINDS, pl.List(pl.String))),
    "statistics": pl.Struct({"kudos": pl.Int64, "published": pl.String}),
    "language": pl.String,
}
"""Each row is a record that `features.works.Work` reads; dates are written as in ISO 8601."""


def read(path: Path) -> pl.DataFrame:
    """Read works: fields as in `SCHEMA`; the archive's names of authors, its summaries and languages are not there."""
    frame = pl.read_parquet(path)
    none = pl.lit([], dtype=pl.List(pl.String))
    tags = {
        "fandom": pl.concat_list("fandom"), "category": pl.concat_list("rel_type"), "rating": pl.concat_list("rating"),
        "character": none, "relationship": pl.col("relationships"), "freeform": pl.col("tags"),
        "warning": pl.col("warnings"),
    }  # fmt: skip
    return frame.select(
        id=pl.col("work_id").cast(pl.String),
        title=pl.col("title").fill_null("").str.strip_chars(),
        authors=none,
        summary=pl.lit(""),
        tags=pl.struct(tags[kind].list.drop_nulls().fill_null([]).alias(kind) for kind in KINDS),
        statistics=pl.struct(kudos=pl.col("kudos").cast(pl.Int64), published=pl.col("published").cast(pl.String)),
        language=pl.lit(""),
    )


FANWORKS = WorkSource(
    name="fanworks",
    kind="work",
    files=("fanworks.parquet",),
    columns=frozenset({"work_id", "title", "fandom", "relationships", "rel_type", "rating", "tags", "kudos"}),
    ours=frozenset(SCHEMA),
    read=read,
    about="fan works with the tags of their authors, the much-liked end of an archive",
    terms="The Pudding: MIT; titles and tags belong to their authors",
    urls=(),
    by_hand="put fanworks.parquet into a folder",
)
