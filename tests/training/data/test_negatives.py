import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from tests.training.data.readers import Pairs, met, pairs
from training.data.errors import DataError
from training.data.holdout import HoldoutConfig, hold_out
from training.data.negatives import Negatives, log_q


def matrix(rows: list[list[int]], items: int) -> csr_matrix:
    users = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return csr_matrix((np.ones(len(users), dtype=bool), (users, np.concatenate(rows))), shape=(len(rows), items))


@settings(deadline=None)
@given(pairs(), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 100))
def test_negatives_are_never_positives(rows: Pairs, alpha: float, seed: int) -> None:
    data = met([*rows, ("other", "rare")])  # an item at least that each user has not met
    train = hold_out(data, HoldoutConfig()).train
    users = np.flatnonzero(np.diff(train.indptr) < train.shape[1])
    train = train[users]
    drawn = Negatives(train, alpha).draw(np.arange(len(users)).repeat(2), 7, np.random.default_rng(seed))
    assert drawn.shape == (2 * len(users), 7)
    for user, items in zip(np.arange(len(users)).repeat(2), drawn, strict=True):
        assert not set(items) & set(train[user].indices)
        assert set(items) <= set(range(train.shape[1]))


def test_a_seed_gives_the_same_draws() -> None:
    negatives = Negatives(matrix([[0], [1, 2]], 50), 0.5)
    first, second = (negatives.draw(np.array([0, 1, 1]), 9, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("alpha", [0.0, 0.75, 1.0])
def test_draws_come_as_often_as_log_q_says(alpha: float) -> None:
    positives = matrix([[0, 1, 2, 3]] * 8 + [[0, 1]] * 20 + [[0]] * 40 + [[]], 6)
    negatives = Negatives(positives, alpha)
    drawn = negatives.draw(np.full(20_000, 68), 4, np.random.default_rng(0))  # the last one has met nothing
    assert np.allclose(np.bincount(drawn.ravel(), minlength=6) / drawn.size, np.exp(negatives.log_q), atol=0.005)
    assert np.isclose(np.exp(negatives.log_q).sum(), 1)


def test_uniform_draws_are_even_over_what_is_left() -> None:
    drawn = Negatives(matrix([[0, 1, 2]], 8)).draw(np.zeros(10_000, dtype=np.int64), 3, np.random.default_rng(0))
    counts = np.bincount(drawn.ravel(), minlength=8)
    assert counts[:3].tolist() == [0, 0, 0]
    assert counts[3:].min() > 5700


def test_a_user_who_has_nearly_everything_gets_the_rest() -> None:
    positives = matrix([list(range(999)), [5]], 1000)
    for alpha in (0.0, 1.0):
        drawn = Negatives(positives, alpha).draw(np.array([0, 1, 0]), 5, np.random.default_rng(0))
        assert (drawn[[0, 2]] == 999).all()
        assert 5 not in drawn[1]


def test_a_user_who_has_everything_is_an_error() -> None:
    with pytest.raises(DataError, match="user 1 has met all 3 items"):
        Negatives(matrix([[0], [0, 1, 2]], 3))


def test_log_q_of_a_batch_is_the_share_of_interactions() -> None:
    assert np.allclose(np.exp(log_q(np.array([6, 3, 1]))), [0.6, 0.3, 0.1])
    assert np.allclose(np.exp(log_q(np.array([6, 0, 1]), alpha=0)), 1 / 3)
    assert np.isfinite(log_q(np.array([0, 5]))).all()
