"""Every figure of an encoder's neighbours, computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from training.metrics.arrays import Values, mean
from training.metrics.bootstrap import Interval, differences, intervals, row_means
from training.metrics.diagnostics import Spread
from training.metrics.neighbours import agreement, chance_agreement, list_ndcg, random_list_ndcg
from training.report.similarity_evaluation import SimilarCandidate, SimilarityEvaluation
from training.report.summary import Line, Summary

NDCG = "ndcg"


@dataclass(frozen=True)
class SimilarFigures:
    """One candidate's."""

    title: str
    reads: str
    intervals: Mapping[str, Interval]
    """Share of the first n that has a value of the query, as `fandom@10`, over the queries that have one; `ndcg` over
    lists of candidates. With 95% bootstrap intervals."""
    difference: Mapping[str, Interval]
    """The model minus this candidate, over the same resamples; empty for the model."""
    wall_s: Mapping[str, float]
    notes: Sequence[str]

    @property
    def figures(self) -> dict[str, float]:
        """The values without their intervals."""
        return {name: one.value for name, one in self.intervals.items()}


@dataclass(frozen=True)
class SimilarityFigures:
    """All candidates', and what chance reaches."""

    candidates: Mapping[str, SimilarFigures]
    """By name, the model first."""
    chance: Mapping[str, float]
    """What neighbours, or an order, by lot reach in expectation, by figure."""
    rows: Mapping[str, int]
    """Queries, or lists, that a figure is the mean of."""
    spread: Spread | None
    misses: Mapping[str, float]
    """Targets that the model misses, with the value found."""

    @classmethod
    def of(cls, evaluation: SimilarityEvaluation) -> Self:
        """Compute everything.

        Raises:
            ValueError: a target names a figure that there is not.
        """
        rows = {one.name: _per_row(evaluation, one) for one in evaluation.candidates}
        found = {one.name: _figures(evaluation, one, rows) for one in evaluation.candidates}
        own = found[evaluation.model.name].figures
        if unknown := evaluation.targets.keys() - own.keys():
            raise ValueError(f"no figure is called {', '.join(sorted(unknown))}; there are {', '.join(own)}")
        return cls(
            candidates=found,
            chance=_chance(evaluation),
            rows={name: len(values) for name, values in rows[evaluation.model.name].items()},
            spread=None if evaluation.vectors is None else Spread.of(evaluation.vectors),
            misses={name: own[name] for name, floor in evaluation.targets.items() if not own[name] >= floor},
        )

    def summary(self, shown: Sequence[str]) -> Summary:
        """Return the named figures of every candidate that has them all, as a command prints them."""
        told = [one for one in self.candidates.values() if set(shown) <= one.intervals.keys()]
        return Summary(shown, [Line(f"{one.title}, {one.reads}", one.figures, one.intervals) for one in told])


def _per_row(evaluation: SimilarityEvaluation, candidate: SimilarCandidate) -> dict[str, Values]:
    found = {}
    for name, held in evaluation.sets.items():
        asked = held[evaluation.queries]
        some = np.diff(asked.indptr) > 0
        for n in evaluation.cutoffs:
            found[f"{name}@{n}"] = agreement(candidate.top[some, :n], asked[some], held)
    if evaluation.lists is not None and candidate.list_scores is not None:
        found[NDCG] = list_ndcg(candidate.list_scores, evaluation.lists.gains, evaluation.lists.there)
    return {name: values for name, values in found.items() if len(values)}


def _figures(
    evaluation: SimilarityEvaluation, candidate: SimilarCandidate, rows: Mapping[str, Mapping[str, Values]]
) -> SimilarFigures:
    """Figures differ in the rows that they are means of, so that each is resampled by itself."""
    drawing = {"samples": evaluation.samples, "seed": evaluation.seed}
    theirs, ours = rows[candidate.name], rows[evaluation.model.name]
    shared = [] if candidate is evaluation.model else [name for name in ours if name in theirs]
    return SimilarFigures(
        title=candidate.title,
        reads=candidate.reads,
        intervals={
            name: intervals(len(values), row_means(value=values), **drawing)["value"] for name, values in theirs.items()
        },
        difference={
            name: differences(len(ours[name]), row_means(value=ours[name]), row_means(value=theirs[name]), **drawing)[
                "value"
            ]
            for name in shared
        },
        wall_s=dict(candidate.wall_s),
        notes=list(candidate.notes),
    )


def _chance(evaluation: SimilarityEvaluation) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, held in evaluation.sets.items():
        asked = evaluation.queries[np.diff(held[evaluation.queries].indptr) > 0]
        share = mean(chance_agreement(held, asked))
        found |= {f"{name}@{n}": share for n in evaluation.cutoffs}
    if evaluation.lists is not None:
        found[NDCG] = mean(random_list_ndcg(evaluation.lists.gains, evaluation.lists.there))
    return found
