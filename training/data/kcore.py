"""Users and items with enough interactions, where each counts only what is left of the other."""

import numpy as np
from numpy.typing import NDArray


def kcore(
    users: NDArray[np.int64], items: NDArray[np.int64], min_user: int = 5, min_item: int = 5
) -> NDArray[np.bool_]:
    """Return which interactions are in the largest part where users have `min_user` and items `min_item` of them. [n]

    Args:
        users: users from 0 on. [n]
        items: items from 0 on. [n]
        min_user: interactions that a user must have in the part.
        min_item: interactions that an item must have in the part.
    """
    kept = np.ones(len(users), dtype=np.bool_)
    if not len(users):
        return kept
    of_users, of_items = np.bincount(users), np.bincount(items)
    while True:
        keep = kept & (of_users[users] >= min_user) & (of_items[items] >= min_item)
        if np.array_equal(keep, kept):
            return kept
        kept = keep
        of_users = np.bincount(users[kept], minlength=len(of_users))
        of_items = np.bincount(items[kept], minlength=len(of_items))
