"""Every figure of a recommender's evaluation, computed once: what the report shows and evaluation.json holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from training.metrics import beyond_accuracy, topk
from training.metrics.arrays import Values, mean
from training.metrics.beyond_accuracy import coverage, gini, intra_list_diversity, novelty
from training.metrics.bootstrap import Interval, Statistic, differences, intervals, row_means
from training.metrics.diagnostics import Diagnostics
from training.metrics.topk import per_user
from training.report import seeds
from training.report.recommendation_matches import Matching
from training.report.recommendation_slices import Slice, slices
from training.report.recommender_evaluation import RankedCandidate, RecommenderEvaluation
from training.report.summary import Line, Summary

DEFINITIONS = {**topk.DEFINITIONS, **beyond_accuracy.DEFINITIONS}
"""What each figure is, without its cut-off."""


@dataclass(frozen=True)
class RankedFigures:
    """One candidate's."""

    title: str
    figures: Mapping[str, float]
    """Every figure of DEFINITIONS at every cut-off, as `recall@20`."""
    intervals: Mapping[str, Interval]
    """95% bootstrap intervals over users, of those figures that are means over users."""
    difference: Mapping[str, Interval]
    """The model minus this candidate, over the same resamples; empty for the model."""
    matches: Mapping[str, float]
    """Share of the first 10 that has an author, or a category, of the user's history."""
    wall_s: Mapping[str, float]
    notes: Sequence[str]


@dataclass(frozen=True)
class RecommendationFigures:
    """All candidates', and what is told about the model alone."""

    candidates: Mapping[str, RankedFigures]
    """By name, the model first."""
    slices: Sequence[Slice]
    diagnostics: Diagnostics | None
    matches_by_chance: Mapping[str, float]
    """The same share of the whole catalogue."""
    variants: seeds.Table
    gaps: seeds.Table
    misses: Mapping[str, float]
    """Targets that the model misses, with the value found."""

    @classmethod
    def of(cls, evaluation: RecommenderEvaluation) -> Self:
        """Compute everything.

        Raises:
            ValueError: a target names a figure that there is not.
        """
        matching = Matching.of(evaluation)
        rows = {one.name: _per_user(evaluation, one) for one in evaluation.candidates}
        ours = row_means(**rows[evaluation.model.name])
        found = {one.name: _figures(evaluation, one, rows[one.name], ours, matching) for one in evaluation.candidates}
        own = found[evaluation.model.name].figures
        if unknown := evaluation.targets.keys() - own.keys():
            raise ValueError(f"no figure is called {', '.join(sorted(unknown))}; there are {', '.join(own)}")
        return cls(
            candidates=found,
            slices=slices(evaluation),
            diagnostics=_diagnostics(evaluation, matching),
            matches_by_chance=matching.chance(),
            variants=seeds.by_variant(evaluation.seed_runs),
            gaps=seeds.gaps(evaluation.seed_runs),
            misses={name: own[name] for name, floor in evaluation.targets.items() if not own[name] >= floor},
        )

    def summary(self, shown: Sequence[str]) -> Summary:
        """Return the named figures of every candidate, as a command prints them."""
        return Summary(shown, [Line(one.title, one.figures, one.intervals) for one in self.candidates.values()])


def _per_user(evaluation: RecommenderEvaluation, candidate: RankedCandidate) -> dict[str, Values]:
    """Return every figure that users have, [users] each."""
    popularity, users = evaluation.popularity, evaluation.history.shape[0]
    found = per_user(candidate.top, evaluation.test, evaluation.cutoffs)
    for cutoff in evaluation.cutoffs:
        lists = candidate.top[:, :cutoff]
        found[f"novelty@{cutoff}"] = novelty(lists, popularity, users)
        if evaluation.item_vectors is not None:
            found[f"diversity@{cutoff}"] = intra_list_diversity(lists, evaluation.item_vectors)
        if evaluation.items.categories is not None:
            found[f"category_diversity@{cutoff}"] = intra_list_diversity(lists, evaluation.items.categories)
    return found


def _figures(
    evaluation: RecommenderEvaluation,
    candidate: RankedCandidate,
    rows: Mapping[str, Values],
    ours: Statistic,
    matching: Matching,
) -> RankedFigures:
    users, items = len(evaluation.users), evaluation.history.shape[1]
    drawing = {"samples": evaluation.samples, "seed": evaluation.seed}
    statistic = row_means(**rows)
    shown: dict[str, float] = {}
    for cutoff in evaluation.cutoffs:
        lists = candidate.top[:, :cutoff]
        shown |= {f"coverage@{cutoff}": coverage(lists, items), f"gini@{cutoff}": gini(lists, items)}
    return RankedFigures(
        title=candidate.title,
        figures={**{name: mean(values) for name, values in rows.items()}, **shown},
        intervals=intervals(users, statistic, **drawing),
        difference={} if candidate is evaluation.model else differences(users, ours, statistic, **drawing),
        matches=matching.found(candidate.top),
        wall_s=dict(candidate.wall_s),
        notes=list(candidate.notes),
    )


def _diagnostics(evaluation: RecommenderEvaluation, matching: Matching) -> Diagnostics | None:
    if evaluation.item_vectors is None:
        return None
    vectors = np.asarray(evaluation.item_vectors, dtype=np.float32)
    return Diagnostics.of(vectors, evaluation.history, dict(matching.items), seed=evaluation.seed)
