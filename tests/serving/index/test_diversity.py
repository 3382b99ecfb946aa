import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.index.diversity import mmr
from tests.serving.index.searching import Vectors, unit

seeds = st.integers(0, 2**32)


def one_by_one(vectors: Vectors, scores: Vectors, k: int, diversity: float) -> list[int]:
    """The definition, without any of the bookkeeping."""
    low, high = float(scores.min()), float(scores.max())
    worth = [(float(score) - low) / (high - low) for score in scores]
    cosines = vectors.astype(np.float64) @ vectors.T
    chosen = [int(np.argmax(scores))]
    while len(chosen) < min(k, len(scores)):
        rest = [at for at in range(len(scores)) if at not in chosen]
        gain = {at: (1 - diversity) * worth[at] - diversity * max(cosines[at, chosen]) for at in rest}
        chosen.append(max(rest, key=lambda at: gain[at]))
    return chosen


@given(seeds, st.integers(1, 30), st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_it_chooses_as_the_definition_says(seed: int, k: int, diversity: float) -> None:
    rng = np.random.default_rng(seed)
    vectors, scores = unit(rng, 20, 6), rng.normal(size=20).astype(np.float32)
    order = mmr(vectors, scores, k, diversity)
    assert len(order) == min(k, 20)
    assert order.tolist() == one_by_one(vectors, scores, k, diversity)


@given(seeds)
def test_without_diversity_the_order_is_that_of_the_scores(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(12).astype(np.float32)
    assert mmr(unit(rng, 12, 4), scores, 12, 0.0).tolist() == np.argsort(-scores).tolist()


@given(seeds, st.sampled_from([0.25, 64.0]), st.sampled_from([-8.0, 0.0, 4.0]))
def test_it_does_not_matter_in_what_unit_scores_are(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    vectors, scores = unit(rng, 15, 5), rng.integers(-9, 9, 15).astype(np.float32)
    moved = (scores * scale + shift).astype(np.float32)
    assert mmr(vectors, scores, 8, 0.4).tolist() == mmr(vectors, moved, 8, 0.4).tolist()


def test_a_second_copy_of_the_best_waits_for_something_else() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    scores = np.array([1.0, 0.99, 0.5], dtype=np.float32)
    assert mmr(vectors, scores, 2, 0.0).tolist() == [0, 1]
    assert mmr(vectors, scores, 2, 0.5).tolist() == [0, 2]


@pytest.mark.parametrize("diversity", [0.0, 0.5, 1.0])
def test_nothing_equal_and_zero_candidates_are_no_trouble(diversity: float) -> None:
    nothing = np.zeros((0, 4), dtype=np.float32)
    assert mmr(nothing, np.zeros(0, dtype=np.float32), 5, diversity).tolist() == []
    zeros = np.zeros((3, 4), dtype=np.float32)
    assert mmr(zeros, np.ones(3, dtype=np.float32), 5, diversity).tolist() == [0, 1, 2]
    assert mmr(zeros, np.ones(3, dtype=np.float32), 0, diversity).tolist() == []
