"""What a few users would see: their history, what is recommended to them, and what of it they went on to read."""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_matrix

from training.metrics.lists import NOTHING
from training.metrics.neighbours import agreement, sets_of
from training.metrics.topk import hits
from training.report.markdown import inline
from training.report.recommender_evaluation import RecommenderEvaluation

USERS = 6
HISTORY = 8
"""Titles of a history that are shown."""
SHOWN = 10
"""Recommendations shown."""


def samples(evaluation: RecommenderEvaluation, users: int = USERS) -> list[str]:
    """Return lines on test users drawn at random; what was held out and found is in bold."""
    drawn = np.sort(np.random.default_rng(evaluation.seed).permutation(len(evaluation.users))[:users])
    return [line for row in drawn.tolist() for line in _sample(evaluation, row)]


def _sample(evaluation: RecommenderEvaluation, row: int) -> Iterator[str]:
    user = int(evaluation.users[row])
    history, held_out = evaluation.history[user].indices, evaluation.held_out[user]
    top = evaluation.model.top[row : row + 1, :SHOWN]  # [1, shown]
    right = hits(top, held_out)[0]
    name = evaluation.user_ids[user] if evaluation.user_ids else str(user)
    titles = "; ".join(_title(evaluation, item) for item in history[:HISTORY].tolist())
    more = f"; and {len(history) - HISTORY} more" if len(history) > HISTORY else ""
    yield f"- user `{inline(name, 60)}`, {len(history)} in the history: {titles or 'nothing'}{more}"
    listed = [
        f"**{_title(evaluation, item)}**" if hit else _title(evaluation, item)
        for item, hit in zip(top[0].tolist(), right.tolist(), strict=True)
        if item != NOTHING
    ]
    yield f"  - recommended: {'; '.join(listed) or 'nothing'}"
    rates = [f"{kind} match {share:.0%}" for kind, share in _matches(evaluation, history, top)]
    yield f"  - {int(right.sum())} of {held_out.nnz} held out; {', '.join(rates)}"


def _matches(evaluation: RecommenderEvaluation, history: np.ndarray, top: np.ndarray) -> Iterator[tuple[str, float]]:
    rows = [*history.tolist(), *np.maximum(top[0], 0).tolist()]
    authors = sets_of([[evaluation.items.authors[item]] for item in rows])
    yield "author", _share(authors, len(history), top)
    if evaluation.items.categories is not None:
        yield "category", _share(evaluation.items.categories[rows], len(history), top)


def _share(sets: csr_matrix, known: int, top: np.ndarray) -> float:
    """Return the share of a list [1, shown] that has a value of the first `known` rows; the rest are its items."""
    own = csr_matrix(sets[:known].astype(np.float32).sum(axis=0))
    places = np.where(top == NOTHING, NOTHING, np.arange(top.shape[1], dtype=np.int32))
    return float(agreement(places, own, sets[known:])[0])


def _title(evaluation: RecommenderEvaluation, item: int) -> str:
    title, author = evaluation.items.titles[item], evaluation.items.authors[item]
    told = inline(title or evaluation.items.ids[item], 60)
    return f"{told} ({inline(author, 30)})" if author else told
