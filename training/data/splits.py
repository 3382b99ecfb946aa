"""Which rows train, which choose, which judge. Groups stay together; a split by time never looks ahead."""

from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from training.config import Config
from training.data.errors import DataError


class SplitConfig(Config):
    """How rows are divided; shares are of all rows."""

    by: Literal["random", "time"] = "random"
    """random: groups by lot; time: the newest rows are the test, the newest of the rest the validation."""
    test: float = Field(0.1, gt=0, lt=0.5)
    validation: float = Field(0.1, gt=0, lt=0.5)
    seed: int = 0
    """Of the lots; a split by time draws none."""


PROTOCOLS: dict[str, SplitConfig] = {
    "genres": SplitConfig(test=0.1, validation=0.1),
    "papers": SplitConfig(test=0.1, validation=0.09),
    "papers_by_time": SplitConfig(by="time", test=0.1, validation=0.09),
}
"""The divisions behind published figures."""


@dataclass(frozen=True)
class Splits:
    """Disjoint parts of a data set; no group is in two of them."""

    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    left_out: pl.DataFrame
    """Rows of the newer parts whose group began in an older one; empty for random splits."""


def split(frame: pl.DataFrame, config: SplitConfig) -> Splits:
    """Divide rows that have columns id and group, and time for a split by time.

    The parts depend on the rows and the seed, not on the order of the rows, and come back in the order of their ids.

    Raises:
        DataError: a part would be empty, or the rows have no time to be divided by.
    """
    frame = frame.sort("id")
    part = _by_lot(frame, config) if config.by == "random" else _by_time(frame, config)
    parts = [frame.filter(part == name) for name in ("train", "validation", "test", "left_out")]
    for name, rows in zip(("train", "validation", "test"), parts, strict=False):
        if rows.is_empty():
            raise DataError(f"{frame.height} rows leave none for {name}; take more rows or other shares")
    return Splits(*parts)


def _by_lot(frame: pl.DataFrame, config: SplitConfig) -> pl.Series:
    """Queue the groups up by the hashes of their names with the seed; test comes first, then validation."""
    sizes = frame.group_by("group").len("rows").sort("group")
    lots = [blake2b(f"{config.seed}\0{group}".encode(), digest_size=8).digest() for group in sizes["group"]]
    queue = sizes.with_columns(lot=pl.Series(lots, dtype=pl.Binary)).sort("lot", "group")
    middle = (queue["rows"].cum_sum() - queue["rows"] / 2).to_numpy() / frame.height  # [groups], in (0, 1)
    named = np.select([middle < config.test, middle < config.test + config.validation], ["test", "validation"], "train")
    parts = queue.select("group", part=pl.Series(named))
    return frame.select("group").join(parts, on="group", how="left", maintain_order="left")["part"]


def _by_time(frame: pl.DataFrame, config: SplitConfig) -> pl.Series:
    if "time" not in frame.columns or (missing := frame["time"].null_count()) == frame.height:
        raise DataError("the rows have no time; split them at random")
    if missing:
        raise DataError(f"{missing} rows have no time; leave them out before splitting by time")
    test = _newest(frame["time"], config.test, frame.height)
    older = frame["time"].filter(frame["time"] < test)
    if older.is_empty():
        raise DataError("all rows are of one day; split them at random")
    validation = _newest(older, config.validation, frame.height)
    ranks = frame.select(
        rank=pl.when(pl.col("time") >= test).then(2).when(pl.col("time") >= validation).then(1).otherwise(0),
        group="group",
    ).with_columns(began=pl.col("rank").min().over("group"))
    names = pl.col("rank").replace_strict({0: "train", 1: "validation", 2: "test"}, return_dtype=pl.String)
    return ranks.select(part=pl.when(pl.col("began") < pl.col("rank")).then(pl.lit("left_out")).otherwise(names))[
        "part"
    ]


def _newest(times: pl.Series, share: float, rows: int) -> date:
    """Return the day from which on times are new: whole days, as near to the share of `rows` as they come."""
    days = times.value_counts(name="rows").sort(times.name, descending=True)
    misses = (days["rows"].cum_sum() - share * rows).abs()
    newest: date = days.row(misses.arg_min() or 0, named=True)[times.name]
    return newest
