"""The baselines that a recommender is reported beside, as published and, where that is easy to beat, tuned."""

from collections.abc import Iterator, Sequence
from typing import Literal

from training.baselines.als import Als
from training.baselines.item_knn import ItemKnn
from training.baselines.popularity import Popularity
from training.baselines.ranker import Ranker, choose
from training.data.holdout import Holdout

Baseline = Literal["popularity", "item_knn", "item_knn_tuned", "als"]

PENALTIES = (0.1, 0.2, 0.3, 0.5, 0.75)
"""Values of BM25's b among which validation chooses."""


def rankers(names: Sequence[Baseline], holdout: Holdout) -> Iterator[Ranker]:
    """Yield the baselines of these names; what is chosen is chosen on validation interactions."""
    for name in names:
        match name:
            case "popularity":
                yield Popularity()
            case "item_knn":
                yield ItemKnn()
            case "item_knn_tuned":
                yield _tuned(holdout)
            case "als":
                yield Als()


def _tuned(holdout: Holdout) -> Ranker:
    found = choose([ItemKnn(b=b) for b in PENALTIES], holdout.train, holdout.validation)
    found.name, found.title = f"{found.name}_tuned", f"{found.title}, b chosen on validation"
    return found
