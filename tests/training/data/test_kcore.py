from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.training.data.readers import Pairs, pairs
from training.data.kcore import kcore


def numbers(rows: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array([int(user[1:]) for user, _ in rows]), np.array([int(item[1:]) for _, item in rows])


@settings(deadline=None)
@given(pairs(), st.integers(1, 6), st.integers(1, 6))
def test_what_is_kept_has_enough_of_what_is_kept(rows: Pairs, min_user: int, min_item: int) -> None:
    users, items = numbers(rows)
    kept = kcore(users, items, min_user, min_item)
    assert all(np.bincount(users[kept])[users[kept]] >= min_user)
    assert all(np.bincount(items[kept])[items[kept]] >= min_item)


@settings(deadline=None)
@given(pairs(), st.integers(1, 6), st.integers(1, 6))
def test_nothing_that_could_stay_goes(rows: Pairs, min_user: int, min_item: int) -> None:
    left = rows
    while True:  # users and items in turns, as one would by hand
        of_users = Counter(user for user, _ in left)
        rest = [row for row in left if of_users[row[0]] >= min_user]
        of_items = Counter(item for _, item in rest)
        rest = [row for row in rest if of_items[row[1]] >= min_item]
        if rest == left:
            break
        left = rest
    kept = kcore(*numbers(rows), min_user, min_item)
    assert [row for row, keep in zip(rows, kept, strict=True) if keep] == left


def test_leaving_one_out_may_bring_down_others() -> None:
    users, items = np.array([0, 0, 1, 1, 2, 2, 3]), np.array([0, 1, 0, 1, 1, 2, 2])
    assert kcore(users, items, 2, 2).tolist() == [True] * 4 + [False] * 3


@pytest.mark.parametrize("rows", [0, 3])
def test_there_may_be_none(rows: int) -> None:
    users = np.arange(rows)
    assert not kcore(users, users, 2, 1).any()
