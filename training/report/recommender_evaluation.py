"""What a recipe hands over to have a recommender reported: lists of the test users, and where they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.metrics.bootstrap import SAMPLES
from training.metrics.lists import Ranked, checked
from training.metrics.topk import CUTOFFS, hits


@dataclass(frozen=True)
class RankedCandidate:
    """A model or a baseline: what it recommends to the test users, out of the whole catalogue."""

    name: str
    """Key in evaluation.json."""
    title: str
    """What the report calls it."""
    top: Ranked
    """Positions of items [users, 100], best first, -1 where nothing is left; none of a user's own history."""
    wall_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds that its steps took: fit, rank, and so on."""
    notes: Sequence[str] = ()
    """What a reader has to know: settings, how it was chosen, what it may not be compared with."""


@dataclass(frozen=True)
class Items:
    """The catalogue, in the order of the columns of every matrix."""

    ids: Sequence[str]
    titles: Sequence[str]
    """Empty where unknown."""
    authors: Sequence[str]
    """Empty where unknown."""
    categories: csr_matrix | None = None
    """Boolean [items, categories]; an item may have several or none. None where the data has no such thing."""


@dataclass(frozen=True)
class SeedRun:
    """One training of one variant of the model."""

    variant: str
    """For example plain, dat."""
    seed: int
    figures: Mapping[str, float]
    """For example recall@20, on the same test users in every run."""


@dataclass(frozen=True)
class RecommenderEvaluation:
    """A recommender against its baselines on the same test users, full ranking."""

    title: str
    protocol: str
    """In one line: data, filters, split, seed, full ranking. It stands beside every figure."""
    history: csr_matrix
    """All that is not test, boolean [all users, items]: what was trained on, and what is masked."""
    held_out: csr_matrix
    """Test interactions, boolean [all users, items]."""
    users: NDArray[np.int64]
    """Rows of the test users, [users]; each has something held out."""
    items: Items
    model: RankedCandidate
    baselines: Sequence[RankedCandidate] = ()
    item_vectors: NDArray[np.float32] | None = None
    """The model's, as they are served, [items, dimensions]; none for no embedding diagnostics."""
    user_ids: Sequence[str] = ()
    """Of all users; empty to name them by their rows."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Header lines: data, fingerprint, split, seed, versions, machine."""
    targets: Mapping[str, float] = field(default_factory=dict)
    """Smallest acceptable value by figure, for example recall@20: .09."""
    training: Sequence[Mapping[str, float]] = ()
    """One entry for each epoch or evaluation, `step` or `epoch` among its keys; draws the training curves."""
    seed_runs: Sequence[SeedRun] = ()
    """Trainings that differ in variant and seed; empty where there was but one."""
    latency: Sequence[Mapping[str, Any]] = ()
    """Rows of the exported graphs' latency table; the keys are its columns."""
    cutoffs: Sequence[int] = CUTOFFS
    main_cutoff: int = 20
    """Where the table of candidates, the slices and the seeds look; one of the cut-offs."""
    seed: int = 0
    """Of the bootstrap, and of the users and items drawn at random."""
    samples: int = SAMPLES
    """Bootstrap resamples."""

    def __post_init__(self) -> None:
        items = self.history.shape[1]
        if self.held_out.shape != self.history.shape:
            raise ValueError(f"history {self.history.shape} and held-out items {self.held_out.shape} differ in shape")
        if self.history.astype(bool).multiply(self.held_out.astype(bool)).nnz:
            raise ValueError("history holds items that are held out; the figures would be of what the model was told")
        if not len(self.users) or not np.diff(self.test.indptr).all():
            raise ValueError("every test user needs an item that is held out, and there has to be one such user")
        told = {len(self.items.ids), len(self.items.titles), len(self.items.authors)}
        if told != {items}:
            raise ValueError(f"ids, titles and authors of {sorted(told)} items for matrices of {items}")
        if self.main_cutoff not in self.cutoffs:
            raise ValueError(f"the main cut-off {self.main_cutoff} is none of {', '.join(map(str, self.cutoffs))}")
        for candidate in self.candidates:
            self._check(candidate)

    @property
    def candidates(self) -> list[RankedCandidate]:
        """The model, then the baselines."""
        return [self.model, *self.baselines]

    @cached_property
    def test(self) -> csr_matrix:
        """What was held out of each test user, [users, items]."""
        return self.held_out[self.users]

    @cached_property
    def known(self) -> csr_matrix:
        """Each test user's history, [users, items]."""
        return self.history[self.users]

    @cached_property
    def popularity(self) -> NDArray[np.int64]:
        """Interactions of each item that are not test, [items]."""
        return np.asarray(self.history.astype(bool).sum(axis=0), dtype=np.int64).ravel()

    def _check(self, candidate: RankedCandidate) -> None:
        users, items = len(self.users), self.history.shape[1]
        try:
            checked(candidate.top, items)
        except ValueError as error:
            raise ValueError(f"{candidate.name}: {error}") from error
        if len(candidate.top) != users or candidate.top.shape[1] < max(self.cutoffs):
            wanted = f"[{users}, {max(self.cutoffs)}]"
            raise ValueError(f"{candidate.name}: lists of shape {list(candidate.top.shape)}; the figures need {wanted}")
        if hits(candidate.top, self.known).any():
            raise ValueError(f"{candidate.name}: lists hold items of the users' own history; mask what was seen")
