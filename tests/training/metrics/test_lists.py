"""The k best: against sorting everything, with ties, in blocks or not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from training.metrics.lists import as_matrix, best, canonical, checked


@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(1, 12), st.sampled_from([2, 20, 10**6]))
def test_the_best_are_those_of_a_full_sort_by_score_and_position(seed: int, items: int, k: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(-steps, steps, (4, items)) / 7).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    found = best(scores, k)
    assert found.dtype == np.int32
    for row, listed in zip(scores.tolist(), found.tolist(), strict=True):
        wanted = sorted((at for at in range(items) if row[at] > -np.inf), key=lambda at: (-row[at], at))[:k]
        assert listed == wanted + [-1] * (k - len(wanted))


def test_minus_zero_ties_with_zero() -> None:
    assert best(np.array([[-0.0, 0.0, -0.0]], dtype=np.float32), 3).tolist() == [[0, 1, 2]]


def test_scores_that_are_nan_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        best(np.array([[1, np.nan]], dtype=np.float32), 1)
    with pytest.raises(ValueError, match="1 or more"):
        best(np.zeros((1, 2), dtype=np.float32), 0)


def test_no_items_and_no_rows_give_empty_lists() -> None:
    assert best(np.zeros((2, 0), dtype=np.float32), 2).tolist() == [[-1, -1]] * 2
    assert best(np.zeros((0, 5), dtype=np.float32), 2).shape == (0, 2)


def test_lists_are_refused_for_what_is_wrong_with_them() -> None:
    good = np.array([[1, 0, -1, -1]], dtype=np.int32)
    assert checked(good, 2) is good
    for bad, told in (
        (np.array([[1, 1]], dtype=np.int32), "twice"),
        (np.array([[2, 0]], dtype=np.int32), "there are 2 items"),
        (np.array([[-2, 0]], dtype=np.int32), "-2 to 0"),
        (np.array([[0, 1]]), "int64"),
        (np.array([0, 1], dtype=np.int32), "shape"),
    ):
        with pytest.raises(ValueError, match=told):
            checked(bad, 2)


def test_lists_as_a_matrix_leave_empty_places_out() -> None:
    found = as_matrix(np.array([[2, -1], [-1, -1], [0, 1]], dtype=np.int32), 3)
    assert found.toarray().tolist() == [[0, 0, 1], [0, 0, 0], [1, 1, 0]]


def test_a_canonical_matrix_is_a_copy_without_stored_zeros() -> None:
    matrix = csr_matrix((np.array([1.0, 0.0, 2.0]), (np.array([0, 0, 0]), np.array([2, 1, 0]))), shape=(1, 3))
    found = canonical(matrix)
    assert (found.dtype, found.indices.tolist(), matrix.nnz) == (np.bool_, [0, 2], 3)
