"""Lists of candidates from co-occurrence: which training works go together, and how much each is worth to another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix

from training.metrics.neighbours import sets_of, unit

Rows = NDArray[np.int64]
READERS = "readers"


@dataclass(frozen=True)
class Reason:
    """One thing that works may have in common."""

    sets: csr_matrix
    """What each work has, [works, values]."""
    worth: float
    graded: bool
    """True: the cosine of both sets counts; False: it counts whether there is a value in common."""


class CoOccurrence:
    """Graded relevance of works to each other: the sum over reasons of what they have in common.

    Args:
        reasons: At least one; their matrices are of the same works.
        drawn: Sets [works, values] from which related works are drawn; None: none are.
    """

    def __init__(self, reasons: Sequence[Reason], drawn: csr_matrix | None = None) -> None:
        self._reasons = [(_weights(reason), reason) for reason in reasons]
        self._values = None if drawn is None else csr_matrix(drawn)
        self._works = None if drawn is None else csc_matrix(drawn)

    @classmethod
    def of(
        cls,
        lists: Mapping[str, Sequence[Sequence[str]]],
        shared: Mapping[str, float],
        overlap: Mapping[str, float],
    ) -> "CoOccurrence":
        """Make it of lists of strings by kind, one for each work; related works share a value of `shared`'s first kind.

        Args:
            lists: What each work has, [works], by kind: tags, or the readers of a work.
            shared: Worth, by kind, of having one value in common.
            overlap: Worth, by kind, of having all in common, less in proportion to the cosine of both sets.
        """
        sets = {kind: sets_of(lists[kind]) for kind in (*shared, *overlap)}
        reasons = [Reason(sets[kind], worth, graded=False) for kind, worth in shared.items()]
        reasons += [Reason(sets[kind], worth, graded=True) for kind, worth in overlap.items()]
        return cls(reasons, sets[next(iter(shared))] if shared else None)

    def between(self, anchors: Rows, candidates: Rows) -> NDArray[np.float32]:
        """Return how much each candidate is worth to each anchor, float32 [anchors, candidates]; 0 to itself."""
        worth = np.zeros((len(anchors), len(candidates)), np.float32)
        for weights, reason in self._reasons:
            common = (weights[anchors] @ weights[candidates].T).toarray()  # [anchors, candidates]
            worth += reason.worth * (common if reason.graded else common > 0)
        worth[anchors[:, None] == candidates[None]] = 0
        return worth

    def related(self, anchors: Rows, count: int, generator: torch.Generator) -> Rows:
        """Draw works that share a value with each anchor, [anchors x count]; which value is drawn first, then the work.

        An anchor that has no value, or is alone with it, draws itself.
        """
        if self._values is None or self._works is None:
            raise ValueError("there is nothing that related works have in common")
        wanted = np.repeat(anchors, count)
        if not self._values.nnz:
            return wanted
        values, some = _drawn(self._values, wanted, generator)
        works, _ = _drawn(self._works, values, generator)
        return np.where(some, works, wanted)


def _drawn(matrix: csr_matrix | csc_matrix, lines: Rows, generator: torch.Generator) -> tuple[Rows, NDArray[np.bool_]]:
    """Draw one entry of each line of a compressed matrix, int64 [lines]; and whether the line has any."""
    begin, end = matrix.indptr[lines].astype(np.int64), matrix.indptr[lines + 1].astype(np.int64)
    lots = torch.rand(len(lines), generator=generator, dtype=torch.float64).numpy()
    places = begin + (lots * (end - begin)).astype(np.int64)  # [lines]
    some = end > begin
    return matrix.indices[np.where(some, places, 0)].astype(np.int64), some


def _weights(reason: Reason) -> csr_matrix:
    if reason.graded:
        return csr_matrix(unit(reason.sets))
    return reason.sets.astype(np.float32).tocsr()
