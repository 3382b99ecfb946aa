"""Readers and books for the tests of interactions, and the strategies that draw them."""

from collections.abc import Sequence
from random import Random

import numpy as np
import polars as pl
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.data.goodbooks import GOODBOOKS
from training.data.interactions import Interactions, InteractionsConfig, build
from training.data.tables import Tables, tables

Pairs = list[tuple[str, str]]


def tabled(pairs: Sequence[tuple[str, str]], times: Sequence[float | None] | None = None) -> Tables:
    """Make tables of pairs (user, item); each item has a title."""
    frame = pl.DataFrame(list(pairs), schema={"user": pl.String, "item": pl.String}, orient="row")
    if times is not None:
        frame = frame.with_columns(time=pl.Series(times, dtype=pl.Float64))
    items = frame["item"].unique()
    return tables(frame, pl.DataFrame({"id": items, "title": "Title of " + items}))


def met(pairs: Sequence[tuple[str, str]], times: Sequence[float | None] | None = None) -> Interactions:
    """Make interactions of pairs (user, item), all of which are kept."""
    return build(GOODBOOKS, tabled(pairs, times), InteractionsConfig(name="goodbooks", min_user=1, min_item=1), "tests")


def named(interactions: Interactions, users: NDArray[np.int64], items: NDArray[np.int64]) -> set[tuple[str, str]]:
    """Return pairs of numbers as pairs of ids."""
    return {(interactions.user_ids[u], interactions.item_ids[i]) for u, i in zip(users, items, strict=True)}


@st.composite
def pairs(draw: st.DrawFn) -> Pairs:
    """Up to 300 different pairs of up to 25 users and 25 items, some users and items with many."""
    random = Random(draw(st.integers(0, 10**6)))
    users, items = draw(st.integers(1, 25)), draw(st.integers(1, 25))
    found = {
        (f"u{int(users * random.random() ** 2)}", f"i{int(items * random.random() ** 2)}")
        for _ in range(draw(st.integers(1, 300)))
    }
    return sorted(found)
