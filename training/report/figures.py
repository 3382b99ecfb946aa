"""Every figure of an evaluation, computed once: what the report shows and evaluation.json holds."""

from dataclasses import dataclass
from typing import Self

from training.metrics.bootstrap import Interval, differences, intervals
from training.metrics.calibration import Reliability, calibration_error, reliability
from training.metrics.per_label import LabelFigures
from training.report.confusion import Confusion, confusions
from training.report.evaluation import Candidate, Evaluation


@dataclass(frozen=True)
class CandidateFigures:
    """One candidate's."""

    title: str
    figures: dict[str, float]
    """Every figure on the test rows; what each is tells training.metrics.classification.DEFINITIONS."""
    intervals: dict[str, Interval]
    """95% bootstrap intervals over rows."""
    difference: dict[str, Interval]
    """The model minus this candidate, over the same resamples; empty for the model."""
    validation: dict[str, float]
    """Cross-fitted, on validation rows."""
    labels: list[LabelFigures]
    ece_before: float
    """Expected calibration error of the scores as the model gives them."""
    wall_s: dict[str, float]
    notes: list[str]


@dataclass(frozen=True)
class Figures:
    """All candidates', and what is told about the model alone."""

    candidates: dict[str, CandidateFigures]
    """By name, the model first."""
    reliability: dict[str, Reliability]
    """The model's curve before and after calibration."""
    confusions: list[Confusion]
    misses: dict[str, float]
    """Targets that the model misses, with the value found."""

    @classmethod
    def of(cls, evaluation: Evaluation) -> Self:
        """Compute everything."""
        model, truth = evaluation.model, evaluation.truth
        found = {candidate.name: _figures(evaluation, candidate) for candidate in evaluation.candidates}
        own = found[model.name].figures
        if unknown := evaluation.targets.keys() - own.keys():
            raise ValueError(f"no figure is called {', '.join(sorted(unknown))}; there are {', '.join(own)}")
        return cls(
            candidates=found,
            reliability={
                "as the model gives them": reliability(truth, model.scores),
                "calibrated": reliability(truth, model.calibrated),
            },
            confusions=confusions(truth, model.assigned),
            misses={name: own[name] for name, floor in evaluation.targets.items() if not own[name] >= floor},
        )


def _figures(evaluation: Evaluation, candidate: Candidate) -> CandidateFigures:
    truth, rows = evaluation.truth, len(evaluation.truth)
    drawing = {"samples": evaluation.samples, "seed": evaluation.seed}
    statistic = candidate.statistic(truth)
    model = evaluation.model
    return CandidateFigures(
        title=candidate.title,
        figures=candidate.measure(truth),
        intervals=intervals(rows, statistic, **drawing),
        difference={} if candidate is model else differences(rows, model.statistic(truth), statistic, **drawing),
        validation=dict(candidate.validation),
        labels=candidate.per_label(truth),
        ece_before=calibration_error(truth, candidate.scores),
        wall_s=dict(candidate.wall_s),
        notes=list(candidate.notes),
    )
