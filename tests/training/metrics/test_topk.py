"""Figures of ranked lists against definitions spelt out user by user."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from scipy.sparse import csr_matrix

from tests.training.metrics.lists import Case, ranked_cases
from training.metrics.topk import CUTOFFS, DEFINITIONS, hits, per_user


def _slow(listed: list[int], wanted: set[int], k: int) -> dict[str, float]:
    """Return one user's figures, one after the other."""
    first = [item for item in listed[:k] if item >= 0]
    ranks = [rank for rank, item in enumerate(listed[:k], 1) if item in wanted]
    most = min(k, len(wanted))
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, most + 1))
    precisions = [len([r for r in ranks if r <= rank]) / rank for rank in ranks]
    return {
        "recall": len(wanted & set(first)) / len(wanted) if wanted else 0,
        "precision": len(wanted & set(first)) / k,
        "ndcg": sum(1 / math.log2(rank + 1) for rank in ranks) / ideal if wanted else 0,
        "map": sum(precisions) / most if wanted else 0,
        "mrr": 1 / ranks[0] if ranks else 0,
        "hit": float(bool(ranks)),
    }


@given(ranked_cases())
def test_every_figure_is_what_its_definition_says(case: Case) -> None:
    top, held_out = case
    found = per_user(top, held_out)
    assert set(found) == {f"{kind}@{k}" for kind in DEFINITIONS for k in CUTOFFS}
    for row, listed in enumerate(top.tolist()):
        wanted = set(held_out[row].indices.tolist())
        for k in CUTOFFS:
            for kind, value in _slow(listed, wanted, k).items():
                assert found[f"{kind}@{k}"][row] == pytest.approx(value), (kind, k, row)


@given(ranked_cases())
def test_figures_lie_between_0_and_1_and_recall_never_falls_with_k(case: Case) -> None:
    found = per_user(*case)
    assert all((values >= 0).all() and (values <= 1 + 1e-12).all() for values in found.values())
    for short, long in pairwise(CUTOFFS):
        assert (found[f"recall@{short}"] <= found[f"recall@{long}"]).all()


def test_a_perfect_list_has_perfect_figures_however_much_was_held_out() -> None:
    held_out = csr_matrix(np.ones((1, 30), dtype=bool))
    found = per_user(np.arange(30, dtype=np.int32)[None], held_out, (5, 30))
    assert found["ndcg@5"][0] == found["map@5"][0] == found["precision@5"][0] == 1
    assert found["recall@5"][0] == pytest.approx(5 / 30)
    assert found["recall@30"][0] == 1


def test_an_empty_place_is_not_the_last_item_of_the_user_before() -> None:
    held_out = csr_matrix(np.array([[0, 0, 1], [1, 0, 0]], dtype=bool))
    top = np.array([[-1], [-1]], dtype=np.int32)
    assert not hits(top, held_out).any()


def test_stored_zeros_and_unsorted_indices_do_not_matter() -> None:
    messy = csr_matrix((np.array([1.0, 0.0, 1.0]), np.array([2, 1, 0]), np.array([0, 3])), shape=(1, 3))
    top = np.array([[0, 1, 2]], dtype=np.int32)
    assert hits(top, messy).tolist() == [[True, False, True]]
    assert per_user(top, messy, (3,))["recall@3"].tolist() == [1]


def test_lists_of_other_users_are_refused() -> None:
    with pytest.raises(ValueError, match="lists of 1 users, held-out items of 2"):
        hits(np.zeros((1, 1), dtype=np.int32), csr_matrix((2, 3), dtype=bool))
