"""Coverage, Gini, novelty and diversity against loops over lists and pairs."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from scipy.sparse import csr_matrix

from tests.training.metrics.lists import Case, ranked_cases
from training.metrics.beyond_accuracy import coverage, gini, intra_list_diversity, novelty


@given(ranked_cases())
def test_coverage_and_gini_are_those_of_the_counts(case: Case) -> None:
    top, held_out = case
    items = held_out.shape[1]
    counts = [int((top == item).sum()) for item in range(items)]
    assert coverage(top, items) == pytest.approx(sum(count > 0 for count in counts) / items)
    apart = sum(abs(a - b) for a, b in itertools.combinations(counts, 2))
    wanted = apart / (max(items - 1, 1) * sum(counts)) if sum(counts) else 0
    assert gini(top, items) == pytest.approx(wanted)


def test_gini_is_0_for_all_alike_and_1_for_one_item() -> None:
    assert gini(np.array([[0], [1], [2]], dtype=np.int32), 3) == 0
    assert gini(np.array([[1], [1], [1]], dtype=np.int32), 3) == pytest.approx(1)


@given(ranked_cases())
def test_novelty_is_the_mean_self_information_of_what_is_listed(case: Case) -> None:
    top, held_out = case
    popularity = np.asarray(held_out.sum(axis=0)).ravel()
    users = held_out.shape[0]
    for listed, value in zip(top.tolist(), novelty(top, popularity, users), strict=True):
        bits = [-math.log2((popularity[item] + 1) / (users + 1)) for item in listed if item >= 0]
        assert value == pytest.approx(np.mean(bits) if bits else 0)


@given(ranked_cases())
def test_diversity_is_that_of_the_pairs_for_vectors_and_for_sets(case: Case) -> None:
    top, held_out = case
    items = held_out.shape[1]
    rng = np.random.default_rng(items)
    vectors = rng.normal(size=(items, 3)).astype(np.float32)
    vectors[rng.random(items) < 0.2] = 0
    sets = csr_matrix(rng.random((items, 4)) < 0.5)
    for features in (vectors, sets):
        dense = (features.toarray() if features is sets else features).astype(np.float64)
        lengths = np.linalg.norm(dense, axis=1, keepdims=True)
        units = np.divide(dense, lengths, out=np.zeros_like(dense), where=lengths > 0)
        for listed, value in zip(top.tolist(), intra_list_diversity(top, features), strict=True):
            there = [item for item in listed if item >= 0]
            pairs = [1 - units[a] @ units[b] for a, b in itertools.combinations(there, 2)]
            assert value == pytest.approx(np.mean(pairs) if pairs else 0, abs=1e-5)
