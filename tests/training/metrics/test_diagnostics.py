"""Diagnostics of vectors whose geometry is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.stats import spearmanr

from training.metrics.diagnostics import (
    Diagnostics,
    Spread,
    distribution,
    interaction_overlap,
    rank_correlation,
    shared_values,
)
from training.metrics.neighbours import nearest, sets_of


def test_directions_spread_evenly_use_every_dimension() -> None:
    found = Spread.of(np.random.default_rng(0).normal(size=(20_000, 8)).astype(np.float32))
    assert found.effective_rank == pytest.approx(8, rel=0.01)
    assert found.first_axis == pytest.approx(1 / 8, rel=0.05)
    assert found.mean_cosine == pytest.approx(0, abs=0.01)
    assert found.isotropy > 0.95


def test_a_common_direction_shows_in_the_cosines_and_a_thin_cloud_in_the_rank() -> None:
    rng = np.random.default_rng(0)
    shifted = (rng.normal(size=(2000, 8)) + 9 * np.eye(8)[0]).astype(np.float32)
    assert Spread.of(shifted).mean_cosine > 0.8
    assert Spread.of(shifted).isotropy < 0.5
    assert Spread.of(shifted).effective_rank > 7.5
    flat = rng.normal(size=(2000, 8)).astype(np.float32) * [10, 10, 0.01, 0, 0, 0, 0, 0]
    assert Spread.of(flat.astype(np.float32)).effective_rank == pytest.approx(2, rel=0.01)


def test_the_mean_cosine_is_that_of_all_pairs() -> None:
    vectors = np.random.default_rng(1).normal(size=(12, 3)).astype(np.float32)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = (units @ units.T)[np.triu_indices(12, 1)]
    assert Spread.of(vectors).mean_cosine == pytest.approx(pairs.mean(), abs=1e-6)


def test_vectors_that_are_all_zero_are_measured_all_the_same() -> None:
    found = Spread.of(np.zeros((4, 3), dtype=np.float32))
    assert (found.effective_rank, found.mean_cosine, found.isotropy, found.first_axis) == (0, 0, 1, 0)


@given(st.lists(st.integers(0, 5), min_size=3, max_size=30), st.integers(0, 100))
def test_the_rank_correlation_is_spearmans(values: list[int], seed: int) -> None:
    a, b = np.array(values), np.random.default_rng(seed).random(len(values))
    wanted = spearmanr(a, b).statistic if len(set(values)) > 1 else 0
    assert rank_correlation(a, b) == pytest.approx(wanted)


def test_overlap_is_full_with_the_interactions_own_neighbours_and_chance_with_random_vectors() -> None:
    rng = np.random.default_rng(0)
    history = csr_matrix(rng.random((300, 60)) < 0.2)
    queries = np.arange(60)
    own = interaction_overlap(nearest(history.T.tocsr(), queries, 10), queries, history)
    assert (own.found, own.queries) == (1, 60)
    lots = [
        interaction_overlap(nearest(rng.normal(size=(60, 8)), queries, 10), queries, history).found for _ in range(20)
    ]
    assert np.mean(lots) == pytest.approx(own.chance, abs=0.02)
    assert own.chance == pytest.approx(10 / 59)


def test_items_that_nobody_shares_are_left_out_of_the_overlap() -> None:
    history = csr_matrix(np.array([[1, 1, 0], [0, 0, 1]], dtype=bool))
    near = np.array([[1], [0], [0]], dtype=np.int32)
    found = interaction_overlap(near, np.arange(3), history)
    assert (found.found, found.queries) == (1, 2)


def test_shared_values_are_counted_among_items_that_have_any() -> None:
    sets = sets_of([["a"], ["a"], ["b"], []])
    found = shared_values(np.array([[1], [2], [0], [0]], dtype=np.int32), np.arange(4), sets)
    assert found.queries == 3
    assert found.found == pytest.approx(1 / 3)
    assert found.chance == pytest.approx((1 + 1 + 0) / 9)


def test_everything_is_told_at_once_and_repeats_itself() -> None:
    rng = np.random.default_rng(0)
    history = csr_matrix(rng.random((50, 40)) < 0.2)
    popularity = np.asarray(history.sum(axis=0)).ravel()
    vectors = (rng.normal(size=(40, 4)) * popularity[:, None] ** 2).astype(np.float32)
    sets = {"author": sets_of([[f"a{at % 7}"] for at in range(40)])}
    found = Diagnostics.of(vectors, history, sets, n=5, most=30)
    assert found == Diagnostics.of(vectors, history, sets, n=5, most=30)
    assert (found.items, found.dimensions) == (40, 4)
    assert found.norm_popularity > 0.5
    assert found.norms["min"] <= found.norms["median"] <= found.norms["max"]
    assert set(found.neighbours) == {"interactions", "author"}
    assert found.neighbours["author"].queries == 30


def test_a_distribution_tells_its_quantiles() -> None:
    found = distribution(np.arange(101))
    assert (found["mean"], found["min"], found["5%"], found["median"], found["max"]) == (50, 0, 5, 50, 100)
