"""What every recommender to beat can do, and the full ranking that baselines and models share."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.metrics.arrays import mean
from training.metrics.lists import Ranked, best
from training.metrics.topk import per_user
from training.report.recommender_evaluation import RankedCandidate

CELLS = 2_000_000
"""Scores of users for items held in memory at a time: 8 MB, and as much again while they are sorted."""

ScoresOf = Callable[[NDArray[np.int64]], NDArray[Any]]
"""Rows of users [chunk] -> scores of every item [chunk, items]; -inf for what may not be recommended."""


class Ranker(Protocol):
    """Recommends by what users and items were seen together."""

    name: str
    """Key in evaluation.json."""
    title: str
    """What the report calls it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its figures has to know: its settings."""

    def fit(self, train: csr_matrix) -> None:
        """Learn from interactions, boolean [users, items]."""

    def top(self, users: NDArray[np.int64], k: int) -> Ranked:
        """Return the k best items of each user, rows of the training matrix, without what the user has seen."""


def top_k(scores_of: ScoresOf, users: NDArray[np.int64], seen: csr_matrix, k: int, cells: int = CELLS) -> Ranked:
    """Rank the whole catalogue for every user, some users at a time.

    Args:
        scores_of: Scores users for all items.
        users: Rows of `seen`, [users].
        seen: [all users, items]; what is stored is not recommended.
        k: Length of the lists.
        cells: Scores in memory at a time.

    Returns:
        Lists [users, k], best first, equal scores by position; -1 where a user has fewer than k items left.

    Raises:
        ValueError: a score is NaN, or the scores are of another shape.
    """
    history, items = seen.tocsr(), seen.shape[1]
    step = max(1, cells // max(1, items))
    lists = [np.zeros((0, k), dtype=np.int32)]
    for at in range(0, len(users), step):
        chunk = users[at : at + step]
        scores = np.array(scores_of(chunk), dtype=np.float32)  # [chunk, items], a copy to write into
        if scores.shape != (len(chunk), items):
            raise ValueError(f"scores of {len(chunk)} users for {items} items have the shape {scores.shape}")
        own = history[chunk]
        scores[np.repeat(np.arange(len(chunk)), np.diff(own.indptr)), own.indices] = -np.inf
        lists.append(best(scores, k))
    return np.concatenate(lists)


def choose(rankers: Sequence[Ranker], train: csr_matrix, validation: csr_matrix, k: int = 20) -> Ranker:
    """Return the ranker of highest NDCG@k on validation interactions [users, items], which `train` has to lack.

    Of equals it is the first. The ranker returned is fitted on `train`; fit it again on all that is not test.
    """
    users = np.flatnonzero(np.diff(validation.tocsr().indptr))

    def ndcg(ranker: Ranker) -> float:
        ranker.fit(train)
        return mean(per_user(ranker.top(users, k), validation[users], (k,))[f"ndcg@{k}"])

    return max(rankers, key=ndcg)


def run_ranker(ranker: Ranker, train: csr_matrix, users: NDArray[np.int64], k: int = 100) -> RankedCandidate:
    """Fit a ranker and list its k best for each user, as a candidate of the report, timed."""
    began = time.perf_counter()
    ranker.fit(train)
    fitted = time.perf_counter()
    top = ranker.top(users, k)
    wall_s = {"fit": fitted - began, "rank": time.perf_counter() - fitted}
    return RankedCandidate(ranker.name, ranker.title, top, wall_s, ranker.notes)
