"""What a tower's vectors are good for: finding what was held out of histories, with the other tower's vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from bundle.manifest import TaskMetric
from features.record import Record
from training.baselines.ranker import top_k
from training.metrics.topk import per_user

CUTOFF = 20
FIGURE = f"recall@{CUTOFF}"


@dataclass(frozen=True)
class Retrieval:
    """Users of whom something was held out, and the catalogue; one side's vectors are given, the other's are judged."""

    texts: Sequence[Record]
    """Records of the side that is judged: users in order, or all items."""
    users: NDArray[np.float32] | None
    """Vectors of the users, [users, width]; None: they are judged."""
    items: NDArray[np.float32] | None
    """Vectors of all items, [items, width]; None: they are judged."""
    histories: csr_matrix
    """What is not to be found again, [users, items]."""
    held_out: csr_matrix
    """What is to be found, [users, items]."""
    protocol: str

    def score(self, vectors: NDArray[np.float32]) -> TaskMetric:
        """Return the mean recall over users, the whole catalogue ranked."""
        users = vectors if self.users is None else self.users
        items = vectors if self.items is None else self.items

        def scores_of(rows: NDArray[np.int64]) -> NDArray[np.float32]:
            scores: NDArray[np.float32] = users[rows] @ items.T  # [rows, items]
            return scores

        top = top_k(scores_of, np.arange(len(users)), self.histories, CUTOFF)
        value = float(per_user(top, self.held_out, (CUTOFF,))[FIGURE].mean())
        return TaskMetric(name=FIGURE, value=value, protocol=self.protocol)
