"""Rows that are one text twice, found before the split: twins become one row, relatives share a group.

Twins have the same identifier or body, or the same title and nearly the same body; their labels unite. Relatives have
the same title or the same beginning; both stay, and no split parts them. Case, punctuation and blanks do not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

BEGINNING = 200
"""Letters and digits of a body that, when equal, make two rows relatives."""
JACCARD = 0.9
"""Share of common words from which the bodies of two rows with one title are nearly the same."""
COMPARED = 100
"""Rows of one group whose words are compared; in larger groups only equal beginnings count."""


@dataclass(frozen=True)
class Deduplicated:
    """Rows after merging, with their column `group`."""

    frame: pl.DataFrame
    merged: int
    """Rows that went into another one."""
    related: int
    """Rows that share their group with another one."""


def deduplicate(frame: pl.DataFrame, body: str) -> Deduplicated:
    """Merge twins and add `group`, the smallest identifier among relatives; rows come back in the order of their ids.

    Takes columns id, title, labels, the `body` and perhaps time; a merged row is the one with the smallest id, with the
    labels of all and the earliest time. The result does not depend on the order of the rows.
    """
    by = ["id", *(column for column in frame.columns if column not in ("id", "labels"))]
    frame = frame.sort(by)
    keys = pl.DataFrame(
        {
            "id": frame["id"],
            "title": _squashed(frame["title"]),
            "whole": _squashed(frame[body]),
        }
    ).with_columns(beginning=pl.col("whole").str.slice(0, BEGINNING))
    relatives = _components([_codes(keys[column]) for column in ("id", "title", "beginning")])
    twins = _twins(frame, keys, relatives, body)
    merged = _merge(frame.with_columns(group=frame["id"].gather(relatives), _twin=pl.Series(twins)))
    return Deduplicated(merged, frame.height - merged.height, int(merged["group"].is_duplicated().sum()))


def _squashed(texts: pl.Series) -> pl.Series:
    return texts.str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", "")


def _codes(keys: pl.Series) -> NDArray[np.int64]:
    """Return for each row the first row with the same key; an empty key is like no other. [rows]"""
    frame = pl.DataFrame({"key": keys}).with_row_index("row")
    first = frame.select(pl.when(pl.col("key") == "").then("row").otherwise(pl.col("row").min().over("key")))
    return first.to_series().to_numpy().astype(np.int64)


def _components(codes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return for each row the first row that is connected with it by any chain of equal codes. [rows]"""
    component = np.arange(len(codes[0]))
    while True:
        before = component.copy()
        for code in codes:
            lowest = np.full(len(component), len(component))
            np.minimum.at(lowest, code, component)
            component = lowest[code]
        if np.array_equal(before, component):
            return component


def _twins(frame: pl.DataFrame, keys: pl.DataFrame, relatives: NDArray[np.int64], body: str) -> NDArray[np.int64]:
    """Return for each row the first row that it is a twin of. [rows]"""
    both = keys.select(pl.concat_str("title", "beginning", separator="\n")).to_series()
    untitled = (keys["title"] == "") | (keys["beginning"] == "")
    same_start = both.set(untitled, "")
    return _components(
        [*map(_codes, (keys["id"], keys["whole"], same_start)), _near(frame[body], keys["title"], relatives)]
    )


def _near(bodies: pl.Series, titles: pl.Series, relatives: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row the first one with its title and nearly its words. [rows]"""
    codes = np.arange(len(bodies))
    rows = pl.DataFrame({"row": codes, "group": relatives, "title": titles}).filter(pl.col("title") != "")
    for members in rows.group_by("group", "title", maintain_order=True).agg("row").get_column("row").to_list():
        if not 1 < len(members) <= COMPARED:
            continue
        words = {row: set(bodies[row].lower().split()) for row in members}
        for at, row in enumerate(members):
            codes[row] = next((codes[other] for other in members[:at] if _alike(words[row], words[other])), row)
    return codes


def _alike(a: set[str], b: set[str]) -> bool:
    return len(a & b) >= JACCARD * len(a | b) > 0


def _merge(frame: pl.DataFrame) -> pl.DataFrame:
    alone = frame.filter(~pl.col("_twin").is_duplicated())
    others = [column for column in frame.columns if column not in ("labels", "time", "_twin")]
    time = [pl.col("time").min()] if "time" in frame.columns else []
    labels = pl.col("labels").list.explode(keep_nulls=False, empty_as_null=False).unique().sort()
    twins = frame.filter(pl.col("_twin").is_duplicated()).group_by("_twin", maintain_order=True)
    one = twins.agg(*(pl.col(column).first() for column in others), labels, *time)
    return pl.concat([alone, one.select(alone.columns)]).drop("_twin").sort("id")
