from datetime import date
from itertools import combinations
from typing import Literal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.data.frames import grouped
from training.data.errors import DataError
from training.data.splits import SplitConfig, Splits, split

By = Literal["random", "time"]
BOTH: list[By] = ["random", "time"]


def parts_of(frame: pl.DataFrame, by: By, seed: int = 0) -> Splits | None:
    """Split with shares that leave no part empty, unless groups or days are too coarse."""
    try:
        return split(frame, SplitConfig(by=by, test=0.2, validation=0.2, seed=seed))
    except DataError:
        return None


@pytest.mark.parametrize("by", BOTH)
@given(frame=grouped())
def test_parts_are_disjoint_and_complete(by: By, frame: pl.DataFrame) -> None:
    if parts := parts_of(frame, by):
        ids = [key for part in vars(parts).values() for key in part["id"]]
        assert sorted(ids) == sorted(frame["id"])


@pytest.mark.parametrize("by", BOTH)
@given(frame=grouped())
def test_no_group_is_in_two_parts(by: By, frame: pl.DataFrame) -> None:
    if parts := parts_of(frame, by):
        groups = [set(part["group"]) for part in (parts.train, parts.validation, parts.test)]
        assert all(a.isdisjoint(b) for a, b in combinations(groups, 2))


@given(grouped())
def test_nothing_trained_on_is_newer_than_what_judges(frame: pl.DataFrame) -> None:
    if parts := parts_of(frame, "time"):
        ends = [(part["time"].min(), part["time"].max()) for part in (parts.train, parts.validation, parts.test)]
        assert ends[0][1] < ends[1][0] <= ends[1][1] < ends[2][0]  # type: ignore[operator]


@given(grouped())
def test_rows_are_left_out_only_where_their_group_began_in_an_older_part(frame: pl.DataFrame) -> None:
    if parts := parts_of(frame, "time"):
        older = set(parts.train["group"]) | set(parts.validation["group"])
        assert set(parts.left_out["group"]) <= older
        newest = parts.train["time"].max()
        assert parts.left_out.filter(pl.col("time") <= newest).is_empty()


@pytest.mark.parametrize("by", BOTH)
@given(frame=grouped(), shuffle=st.integers(0, 99), seed=st.integers(0, 3))
def test_the_order_of_rows_does_not_matter(by: By, frame: pl.DataFrame, shuffle: int, seed: int) -> None:
    if parts := parts_of(frame, by, seed):
        again = parts_of(frame.sample(fraction=1, shuffle=True, seed=shuffle), by, seed)
        assert again is not None
        assert all(a.equals(b) for a, b in zip(vars(parts).values(), vars(again).values(), strict=True))


def rows_alone(rows: int) -> pl.DataFrame:
    ids = [f"{at:05d}" for at in range(rows)]
    return pl.DataFrame({"id": ids, "group": ids, "time": [date(2025, 1 + at * 12 // rows, 1) for at in range(rows)]})


def test_shares_are_met_where_groups_are_single_rows() -> None:
    parts = split(rows_alone(1000), SplitConfig(test=0.1, validation=0.09))
    assert (parts.train.height, parts.validation.height, parts.test.height) == (810, 90, 100)


def test_another_seed_draws_other_rows() -> None:
    a, b = (split(rows_alone(1000), SplitConfig(seed=seed)) for seed in (0, 1))
    assert len(set(a.test["id"]) & set(b.test["id"])) < 30  # 10 are expected by chance


def test_rows_of_one_day_stay_together() -> None:
    parts = split(rows_alone(1200), SplitConfig(by="time", test=0.1, validation=0.1))
    assert (parts.train.height, parts.validation.height, parts.test.height) == (1000, 100, 100)
    assert parts.test["time"].n_unique() == parts.validation["time"].n_unique() == 1


@pytest.mark.parametrize(
    ("frame", "by", "words"),
    [
        (rows_alone(40).drop("time"), "time", "no time"),
        (rows_alone(40).with_columns(time=pl.lit(None, dtype=pl.Date)), "time", "no time"),
        (rows_alone(40).with_columns(time=pl.lit(date(2025, 1, 1))), "time", "one day"),
        (rows_alone(3), "random", "leave none for"),
        (rows_alone(40).with_columns(pl.when(pl.col("id") > "00001").then("time")), "time", "2 rows have no time"),
    ],
)
def test_rows_that_cannot_be_split_are_refused(frame: pl.DataFrame, by: By, words: str) -> None:
    with pytest.raises(DataError, match=words):
        split(frame, SplitConfig(by=by))
