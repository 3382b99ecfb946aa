"""What a recipe hands over to have an encoder's neighbours reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.metrics.bootstrap import SAMPLES
from training.metrics.lists import Ranked, checked

CUTOFFS = (1, 5, 10)


@dataclass(frozen=True)
class CandidateLists:
    """Lists of candidates that are to be put in order, for NDCG."""

    gains: NDArray[Any]
    """How much each candidate is worth, at least 0, [lists, candidates]."""
    there: NDArray[np.bool_]
    """False where a list is shorter than the longest, [lists, candidates]."""


@dataclass(frozen=True)
class SimilarCandidate:
    """A model or a baseline, reading certain fields: the neighbours that it finds."""

    name: str
    """Key in evaluation.json."""
    title: str
    """What the report calls it."""
    reads: str
    """For example `title + tags`, `everything`, `nothing`."""
    top: Ranked
    """The nearest other works of each query, [queries, n], nearest first; -1 where nothing is left."""
    list_scores: NDArray[Any] | None = None
    """How it orders the evaluation's lists of candidates, [lists, candidates]."""
    wall_s: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class SimilarityEvaluation:
    """An encoder's neighbours against those of baselines, for the same queries among the same works."""

    title: str
    protocol: str
    """In one line: data, split, which works are queries and which may be neighbours."""
    ids: Sequence[str]
    """Of all works that may be neighbours, [works]."""
    titles: Sequence[str]
    """Empty where unknown, [works]."""
    sets: Mapping[str, csr_matrix]
    """What neighbours may share, by name, for example `fandom`, `ship`: boolean [works, values]."""
    queries: NDArray[np.int64]
    """Works whose neighbours are looked at, [queries]."""
    model: SimilarCandidate
    """What the targets are about."""
    others: Sequence[SimilarCandidate] = ()
    """The model on other fields, and the baselines."""
    lists: CandidateLists | None = None
    vectors: NDArray[np.float32] | None = None
    """The model's, [works, dimensions]; none for no diagnostics."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Header lines: data, fingerprint, split, seed, versions, machine."""
    targets: Mapping[str, float] = field(default_factory=dict)
    """Smallest acceptable value by figure, for example fandom@10: .62."""
    training: Sequence[Mapping[str, float]] = ()
    """One entry for each epoch or evaluation, `step` or `epoch` among its keys."""
    latency: Sequence[Mapping[str, Any]] = ()
    """Rows of the exported graph's latency table; the keys are its columns."""
    cutoffs: Sequence[int] = CUTOFFS
    seed: int = 0
    """Of the bootstrap and of the works shown."""
    samples: int = SAMPLES
    """Bootstrap resamples."""

    def __post_init__(self) -> None:
        works = {len(self.ids), len(self.titles), *(held.shape[0] for held in self.sets.values())}
        if len(works) != 1:
            raise ValueError(f"ids, titles and sets are of {', '.join(map(str, sorted(works)))} works")
        if not len(self.queries) or not self.sets:
            raise ValueError("neighbours are judged by queries and by sets that they may share; there are none")
        for candidate in self.candidates:
            self._check(candidate)

    @property
    def candidates(self) -> list[SimilarCandidate]:
        """The model, then the others."""
        return [self.model, *self.others]

    def _check(self, candidate: SimilarCandidate) -> None:
        try:
            top = checked(candidate.top, len(self.ids))
        except ValueError as error:
            raise ValueError(f"{candidate.name}: {error}") from error
        if len(top) != len(self.queries) or top.shape[1] < max(self.cutoffs):
            wanted = f"[{len(self.queries)}, {max(self.cutoffs)}]"
            raise ValueError(f"{candidate.name}: neighbours of shape {list(top.shape)}; the figures need {wanted}")
        if (top == self.queries[:, None]).any():
            raise ValueError(f"{candidate.name}: a work is listed among its own neighbours")
