"""Neighbours, what they share, and NDCG of candidate lists, against slow and obvious ways."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.metrics import ndcg_score

from tests.training.metrics.lists import Case, ranked_cases
from training.metrics import neighbours
from training.metrics.neighbours import (
    agreement,
    chance_agreement,
    list_ndcg,
    nearest,
    random_list_ndcg,
    sets_of,
    sharing,
    unit,
)


def _sets(seed: int, rows: int, values: int = 4) -> csr_matrix:
    return csr_matrix(np.random.default_rng(seed).random((rows, values)) < 0.3)


@given(st.integers(0, 1000), st.integers(2, 20), st.integers(1, 25))
def test_the_nearest_are_the_highest_cosines_without_the_query(seed: int, rows: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(rows, 5)).astype(np.float32)
    queries = rng.permutation(rows)[: max(1, rows // 2)]
    for query, listed in zip(queries.tolist(), nearest(vectors, queries, n).tolist(), strict=True):
        cosines = unit(vectors) @ unit(vectors)[query]
        others = [row for row in range(rows) if row != query]
        wanted = sorted(others, key=lambda row: -cosines[row])[:n]
        assert listed[: len(wanted)] == wanted
        assert set(listed[len(wanted) :]) <= {-1}


def test_sparse_vectors_have_the_neighbours_of_dense_ones_that_share_a_dimension() -> None:
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((40, 12)) < 0.2, rng.random((40, 12)), 0).astype(np.float32)
    found = nearest(csr_matrix(dense), np.arange(40), 39)
    for query, listed in enumerate(found.tolist()):
        cosines = unit(dense) @ unit(dense)[query]
        near = [row for row in range(40) if row != query and cosines[row] > 0]
        assert set(listed) - {-1} == set(near)
        assert (np.diff(cosines[listed[: len(near)]]) <= 1e-6).all()


def test_queries_in_blocks_find_what_they_find_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 4))
    sets, queries = _sets(0, 50), np.arange(50)
    at_once = nearest(vectors, queries, 5), sharing(sets, sets)
    monkeypatch.setattr(neighbours, "CELLS", 120)
    np.testing.assert_array_equal(nearest(vectors, queries, 5), at_once[0])
    np.testing.assert_array_equal(sharing(sets, sets), at_once[1])
    assert nearest(vectors, queries[:0], 5).shape == (0, 5)


@given(ranked_cases(), st.integers(0, 1000))
def test_agreement_is_the_share_of_places_that_have_a_value_of_the_query(case: Case, seed: int) -> None:
    top, held_out = case
    asked, offered = _sets(seed, len(top)), _sets(seed + 1, held_out.shape[1])
    for row, value in enumerate(agreement(top, asked, offered)):
        own = set(asked[row].indices)
        shared = [bool(own & set(offered[item].indices)) for item in top[row].tolist() if item >= 0]
        assert value == pytest.approx(sum(shared) / top.shape[1])


@given(st.integers(0, 1000), st.integers(2, 15))
def test_chance_is_the_agreement_of_all_other_items(seed: int, items: int) -> None:
    sets, queries = _sets(seed, items), np.arange(items)
    everyone = np.array([[at for at in range(items) if at != query] for query in queries], dtype=np.int32)
    np.testing.assert_allclose(chance_agreement(sets, queries), agreement(everyone, sets, sets))


def test_strings_become_sets_whatever_their_case() -> None:
    found = sets_of([["Fluff", "Angst", "fluff"], [], ["angst", ""]])
    assert found.toarray().astype(int).tolist() == [[1, 1], [0, 0], [0, 1]]
    assert sets_of([]).shape == (0, 0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(2, 12), st.sampled_from([2, 1000]))
def test_ndcg_agrees_with_scikit_learn_ties_included(seed: int, lists: int, candidates: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, steps, (lists, candidates)) / steps
    gains, there = rng.integers(0, 4, (lists, candidates)), rng.random((lists, candidates)) < 0.8
    found = list_ndcg(scores, gains, there)
    for row in range(lists):
        own = there[row]
        if not (gains[row] * own).any():
            assert found[row] == 1
        elif own.sum() > 1:
            assert found[row] == pytest.approx(ndcg_score(gains[row : row + 1, own], scores[row : row + 1, own]))


def test_random_order_is_the_mean_over_all_orders() -> None:
    gains, there = np.array([[3, 0, 1, 5]]), np.array([[True, True, True, False]])
    orders = [np.array([[*order, 9]]) for order in itertools.permutations(range(3))]
    wanted = np.mean([list_ndcg(order, gains, there)[0] for order in orders])
    assert random_list_ndcg(gains, there)[0] == pytest.approx(wanted)


def test_candidates_that_stand_first_are_worth_nothing_to_a_model_without_opinion() -> None:
    gains, there = np.array([[1, 1, 0, 0]]), np.ones((1, 4), dtype=bool)
    assert list_ndcg(np.zeros((1, 4)), gains, there)[0] < list_ndcg(-np.arange(4)[None], gains, there)[0] == 1
    with pytest.raises(ValueError, match="0 or more"):
        list_ndcg(np.zeros((1, 2)), np.array([[-1, 0]]), there[:, :2])
