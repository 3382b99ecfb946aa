"""Who is served worse: users with little history, items with few interactions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.metrics.bootstrap import Interval, intervals, row_means
from training.metrics.slices import Group, by_quantile, only_columns
from training.metrics.topk import per_user
from training.report.recommender_evaluation import RankedCandidate, RecommenderEvaluation

USERS, ITEMS = "users by history", "items by training interactions"


@dataclass(frozen=True)
class Slice:
    """One group's figures."""

    kind: str
    """What is grouped: USERS, by interactions in their history, or ITEMS: only held-out items of the group count."""
    counts: str
    """Interactions of a member, as `5-9`."""
    members: int
    users: int
    """Test users whom the figures are means over: those with an item of the group held out."""
    figures: Mapping[str, Mapping[str, Interval]]
    """By candidate: recall and ndcg at the main cut-off, with 95% intervals over users."""


def slices(evaluation: RecommenderEvaluation) -> list[Slice]:
    """Return the figures of quarters of the users and of the catalogue, the coldest first."""
    return [*_users(evaluation), *_items(evaluation)]


def _users(evaluation: RecommenderEvaluation) -> Iterator[Slice]:
    held_out = evaluation.test
    for group in by_quantile(np.diff(evaluation.known.indptr)):
        yield _slice(evaluation, USERS, group, held_out, group.members)


def _items(evaluation: RecommenderEvaluation) -> Iterator[Slice]:
    for group in by_quantile(evaluation.popularity):
        held_out = only_columns(evaluation.test, group.members)
        some = np.diff(held_out.indptr) > 0
        if some.any():
            yield _slice(evaluation, ITEMS, group, held_out, some)


def _slice(
    evaluation: RecommenderEvaluation, kind: str, group: Group, held_out: csr_matrix, rows: NDArray[np.bool_]
) -> Slice:
    cutoff, users = evaluation.main_cutoff, int(rows.sum())

    def figures(candidate: RankedCandidate) -> dict[str, Interval]:
        found = per_user(candidate.top[rows], held_out[rows], (cutoff,))
        kept = {key: found[key] for key in (f"recall@{cutoff}", f"ndcg@{cutoff}")}
        return intervals(users, row_means(**kept), evaluation.samples, evaluation.seed)

    named = {candidate.name: figures(candidate) for candidate in evaluation.candidates}
    return Slice(kind, group.title, int(group.members.sum()), users, named)
