"""Groups of users and of items by how much training had seen of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.metrics.lists import canonical


@dataclass(frozen=True)
class Group:
    """Rows whose counts are near each other."""

    low: int
    """Smallest count of a member."""
    high: int
    members: NDArray[np.bool_]
    """[rows]"""

    @property
    def title(self) -> str:
        """The counts, as `5-9`."""
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


def by_quantile(counts: NDArray[Any], groups: int = 4) -> list[Group]:
    """Divide rows with whole counts [rows] into at most so many groups of about equal size, the smallest counts first.

    Equal counts are never parted: there are fewer groups where many counts are equal.
    """
    if not counts.size:
        return []
    shares = np.arange(1, groups) / groups
    edges = np.unique(np.quantile(counts, shares, method="inverted_cdf"))
    group = np.searchsorted(edges, counts)  # [rows]; a count on an edge belongs below it
    found = (group == at for at in range(len(edges) + 1))
    return [Group(int(counts[one].min()), int(counts[one].max()), one) for one in found if one.any()]


def only_columns(matrix: csr_matrix, columns: NDArray[np.bool_]) -> csr_matrix:
    """Return the boolean matrix [rows, columns] with nothing outside the columns that are told."""
    kept = canonical(matrix)
    kept.data &= columns[kept.indices]
    kept.eliminate_zeros()
    return kept
