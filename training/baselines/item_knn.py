"""Items that the same users have, weighted by BM25: hard to beat on small data."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.baselines.ranker import top_k
from training.metrics.lists import Ranked


class ItemKnn:
    """Scores an item by the summed similarity of its neighbours in the user's history (`implicit`)."""

    name = "item_knn_bm25"
    title = "item-kNN BM25"

    def __init__(self, neighbours: int = 100, k1: float = 1.2, b: float = 0.75, threads: int = 0) -> None:
        """Take the settings of BM25; the defaults are those of the usual published figures.

        On 5-core Book-Crossing, full ranking, they reach a recall@20 of .071. They are not the best: B = .2 reaches
        .102, and B = .2 to .3 beats .75 on Amazon Books too. `choose` of training.baselines.ranker finds that out.

        Args:
            neighbours: Of each item, itself included; implicit's K.
            k1: How soon more of the same counts no more; without repeats it is a scale.
            b: How much popular items are held back, 0 to 1.
            threads: 0 for one for each core.
        """
        self.neighbours, self.k1, self.b, self.threads = neighbours, k1, b, threads

    @property
    def notes(self) -> tuple[str, ...]:
        """The settings."""
        return (f"K = {self.neighbours}, K1 = {self.k1:g}, B = {self.b:g}",)

    def fit(self, train: csr_matrix) -> None:
        """Find every item's neighbours in boolean interactions [users, items]."""
        from implicit.nearest_neighbours import ItemItemRecommender, bm25_weight

        self._train = train.astype(np.float32).tocsr()
        # BM25Recommender does the same, and warns of the format in which it passes its own matrix on.
        weighted = bm25_weight(self._train.T, self.k1, self.b).T.tocsr()  # [users, items]
        model = ItemItemRecommender(K=self.neighbours, num_threads=self.threads)
        model.fit(weighted, show_progress=False)
        self._similarity = model.similarity.astype(np.float32).tocsr()  # [items, items]

    def top(self, users: NDArray[np.int64], k: int) -> Ranked:
        """Return the k best unseen items [users, k]; a list ends where no neighbour is left."""
        return top_k(self._scores, users, self._train, k)

    def _scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = (self._train[users] @ self._similarity).toarray()  # [users, items]
        scores[scores <= 0] = -np.inf
        return scores
