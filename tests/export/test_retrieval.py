"""What a tower's vectors are good for, judged with the other tower's."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from export.retrieval import Retrieval
from features.people import User

ITEMS = np.eye(30, dtype=np.float32)
USERS = np.array([5, 9, 12])
"""Each user's vector is that of one item."""


def one_each(items: list[int]) -> csr_matrix:
    return csr_matrix((np.ones(3, np.bool_), (np.arange(3), items)), shape=(3, 30))


def retrieval(users: bool, histories: list[int], held_out: list[int]) -> Retrieval:
    own = None if users else ITEMS[USERS]
    return Retrieval([User()], own, ITEMS if users else None, one_each(histories), one_each(held_out), "by hand")


@pytest.mark.parametrize("users", [True, False])
def test_either_side_is_judged_with_the_other_s_vectors(users: bool) -> None:
    task = retrieval(users, [0, 1, 2], [5, 9, 29])
    judged = ITEMS[USERS] if users else ITEMS
    found = task.score(judged)
    assert (found.name, found.protocol) == ("recall@20", "by hand")
    assert found.value == pytest.approx(2 / 3)  # the third user's item is not among the first twenty
    assert task.score(-judged).value == 0


def test_what_is_in_a_history_is_not_found_again() -> None:
    assert retrieval(True, [5, 9, 12], [5, 9, 12]).score(ITEMS[USERS]).value == 0
