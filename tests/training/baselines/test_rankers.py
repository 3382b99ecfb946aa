"""Recommenders to beat: full ranking without what was seen, the same every time, and better than popularity."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.baselines.als import Als
from training.baselines.item_knn import ItemKnn
from training.baselines.popularity import Popularity
from training.baselines.ranker import Ranker, choose, run_ranker, top_k
from training.metrics.lists import checked
from training.metrics.topk import hits, per_user

RANKERS: dict[str, Callable[[], Ranker]] = {
    "popularity": Popularity,
    "item_knn": lambda: ItemKnn(neighbours=20, threads=1),
    "als": lambda: Als(factors=8, iterations=8, threads=1),
}
TASTES = 4


def _interactions(seed: int = 0, users: int = 200, items: int = 80) -> tuple[csr_matrix, csr_matrix]:
    """Draw training and held-out interactions of users who mostly keep to one of four kinds of item."""
    rng = np.random.default_rng(seed)
    taste = np.arange(users)[:, None] % TASTES == np.arange(items)[None] % TASTES
    popular = 1.5 / (1 + np.arange(items) / 40)
    seen = rng.random((users, items)) < np.where(taste, 0.5, 0.04) * popular
    test = seen & (rng.random(seen.shape) < 0.25)
    test[:, -1] = ~seen[:, -1] & (test.sum(axis=1) == 0)
    return csr_matrix(seen & ~test), csr_matrix(test)


def _recall(ranker: Ranker, train: csr_matrix, test: csr_matrix) -> float:
    ranker.fit(train)
    return float(per_user(ranker.top(np.arange(train.shape[0]), 10), test, (10,))["recall@10"].mean())


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 30), st.integers(1, 200))
def test_the_full_ranking_in_chunks_is_a_sort_without_what_was_seen(seed: int, k: int, items: int, cells: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (9, items)).astype(np.float64)
    seen = csr_matrix(rng.random((9, items)) < 0.4)
    users = rng.integers(0, 9, 7)
    found = top_k(lambda chunk: scores[chunk], users, seen, k, cells)
    for user, listed in zip(users.tolist(), found.tolist(), strict=True):
        left = [item for item in range(items) if not seen[user, item]]
        wanted = sorted(left, key=lambda item: (-scores[user, item], item))[:k]
        assert listed == wanted + [-1] * (k - len(wanted))


def test_scores_are_not_written_into_and_their_shape_is_checked() -> None:
    scores = np.ones((2, 3), dtype=np.float32)
    scores.setflags(write=False)
    users, seen = np.arange(2), csr_matrix(np.eye(2, 3, dtype=bool))
    assert top_k(lambda chunk: scores, users, seen, 2).tolist() == [[1, 2], [0, 2]]
    with pytest.raises(ValueError, match=r"2 users for 3 items have the shape \(2, 2\)"):
        top_k(lambda chunk: scores[:, :2], users, seen, 2)
    assert top_k(lambda chunk: scores, users[:0], seen, 2).shape == (0, 2)


@pytest.mark.parametrize("name", RANKERS)
def test_every_ranker_lists_unseen_items_once_in_the_order_of_the_users_asked_for(name: str) -> None:
    train, _ = _interactions()
    ranker = RANKERS[name]()
    ranker.fit(train)
    users = np.array([7, 3, 150])
    top = checked(ranker.top(users, 100), train.shape[1])
    assert top.shape == (3, 100)
    assert not hits(top, train[users]).any()
    everyone = ranker.top(np.arange(train.shape[0]), 100)
    np.testing.assert_array_equal(top, everyone[users])


@pytest.mark.parametrize("name", RANKERS)
def test_every_ranker_repeats_itself_and_leaves_the_matrix_alone(name: str) -> None:
    train, test = _interactions()
    before = train.toarray()
    assert _recall(RANKERS[name](), train, test) == _recall(RANKERS[name](), train, test)
    np.testing.assert_array_equal(train.toarray(), before)
    assert train.dtype == np.bool_


def test_what_is_learnt_from_other_users_beats_popularity() -> None:
    train, test = _interactions()
    popular = _recall(Popularity(), train, test)
    assert _recall(RANKERS["item_knn"](), train, test) > 1.5 * popular
    assert _recall(RANKERS["als"](), train, test) > 1.5 * popular


def test_popularity_counts_users() -> None:
    ranker = Popularity()
    ranker.fit(csr_matrix(np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 1, 0, 0]], dtype=bool)))
    assert ranker.top(np.array([2, 3]), 4).tolist() == [[1, 0, 3, -1], [2, 0, 3, -1]]


def _cosine_scores(train: NDArray[np.bool_], user: int) -> NDArray[np.float64]:
    """Return one user's scores by BM25 with every neighbour, spelt out."""
    counts = train.T.astype(float)  # [items, users]
    idf = np.log(len(counts)) - np.log1p(counts.sum(axis=0))
    norms = 0.25 + 0.75 * counts.sum(axis=1) / counts.sum(axis=1).mean()
    weights = counts * 2.2 / (1.2 * norms[:, None] + counts) * idf
    scores: NDArray[np.float64] = (weights @ weights.T)[train[user]].sum(axis=0)
    return scores


def test_item_knn_sums_the_bm25_similarities_to_the_history() -> None:
    train, _ = _interactions(items=40)
    ranker = ItemKnn(neighbours=40, threads=1)
    ranker.fit(train)
    dense = train.toarray()
    for user in (0, 17):
        scores = np.where(dense[user], -np.inf, _cosine_scores(dense, user))
        listed = ranker.top(np.array([user]), 5)[0]
        np.testing.assert_allclose(scores[listed], np.sort(scores)[::-1][:5], rtol=1e-4)


def test_an_item_without_a_neighbour_in_the_history_is_not_listed() -> None:
    apart = np.zeros((6, 6), dtype=bool)
    apart[:3, :3] = apart[3:, 3:] = True
    apart[0, 2] = False
    ranker = ItemKnn(neighbours=6, threads=1)
    ranker.fit(csr_matrix(apart))
    assert ranker.top(np.array([0]), 3).tolist() == [[2, -1, -1]]


def test_the_best_on_validation_is_chosen() -> None:
    train, validation = _interactions()
    rankers = [Popularity(), RANKERS["item_knn"](), ItemKnn(neighbours=1, threads=1)]
    assert choose(rankers, train, validation) is rankers[1]
    assert choose(rankers[:1], train, validation) is rankers[0]


def test_a_run_is_a_candidate_of_the_report_with_settings_and_times() -> None:
    train, _ = _interactions()
    found = run_ranker(RANKERS["als"](), train, np.array([1, 2]), k=20)
    assert (found.name, found.title, found.top.shape) == ("als_8", "ALS-8", (2, 20))
    assert "8 factors" in found.notes[0]
    assert set(found.wall_s) == {"fit", "rank"}
