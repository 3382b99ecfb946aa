"""Frames for the tests of data: rows in any order, some of them related."""

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

import polars as pl
from hypothesis import strategies as st

LABELS = ["a", "b", "c", "d"]


def papers(rows: Sequence[tuple[str, str, str, list[str]]], days: Sequence[int] | None = None) -> pl.DataFrame:
    """Make papers of (id, title, abstract, labels), seen on `days` after an arbitrary one."""
    frame = pl.DataFrame(
        rows,
        schema={"id": pl.String, "title": pl.String, "abstract": pl.String, "labels": pl.List(pl.String)},
        orient="row",
    )
    dates = [date(2025, 1, 1) + timedelta(days=day) for day in days or range(len(rows))]
    return frame.with_columns(time=pl.Series(dates, dtype=pl.Date))


@st.composite
def grouped(draw: st.DrawFn) -> pl.DataFrame:
    """Frames of 40 to 150 rows with columns id, group and time; groups of any size, several rows a day."""
    random = Random(draw(st.integers(0, 10**6)))
    rows, groups, days = draw(st.integers(40, 150)), draw(st.integers(12, 120)), draw(st.integers(12, 60))
    return pl.DataFrame(
        {
            "id": [f"{at:03d}" for at in range(rows)],
            "group": [f"g{random.randrange(groups)}" for _ in range(rows)],
            "time": [date(2025, 1, 1) + timedelta(days=random.randrange(days)) for _ in range(rows)],
        }
    )


def labelled(rows: Sequence[Sequence[str]]) -> pl.DataFrame:
    """Make rows that have an id and labels."""
    return pl.DataFrame(
        {"id": [str(at) for at in range(len(rows))], "labels": [list(row) for row in rows]},
        schema={"id": pl.String, "labels": pl.List(pl.String)},
    )


label_lists = st.lists(st.lists(st.sampled_from(LABELS), max_size=3, unique=True), max_size=80)
