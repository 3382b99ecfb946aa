"""What a recipe hands over to be reported: scores and truth of the test rows, and where they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from features.labels import LabelSet
from training.decision.fit import CrossFitted
from training.metrics.arrays import Assigned, Scores, Truth
from training.metrics.averages import macro_f1, micro_f1
from training.metrics.bootstrap import SAMPLES, Statistic, classification
from training.metrics.classification import measure
from training.metrics.per_label import LabelFigures, per_label


@dataclass(frozen=True)
class Candidate:
    """A model or a baseline: its raw scores of the test rows and the rule fitted on validation rows."""

    name: str
    """Key in evaluation.json."""
    title: str
    """What the report calls it."""
    scores: Scores
    """As the model gives them, before calibration, [rows, labels]."""
    label_set: LabelSet
    validation: Mapping[str, float] = field(default_factory=dict)
    """Figures on validation rows, by cross-fitting; empty where they were not taken."""
    wall_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds that its steps took: fit, predict, and so on."""
    notes: Sequence[str] = ()
    """What a reader has to know: how it was chosen, what it may not be compared with."""

    @cached_property
    def calibrated(self) -> Scores:
        """Scores after calibration and implications, [rows, labels]."""
        return self.label_set.calibrate(self.scores)

    @cached_property
    def assigned(self) -> Assigned:
        """Decisions, [rows, labels]."""
        return self.label_set.assign(self.calibrated)

    def measure(self, truth: Truth) -> dict[str, float]:
        """Return every figure on the test rows."""
        return measure(truth, self.calibrated, self.assigned)

    def statistic(self, truth: Truth) -> Statistic:
        """Return what to bootstrap."""
        return classification(truth, self.calibrated, self.assigned)

    def per_label(self, truth: Truth) -> list[LabelFigures]:
        """Return the figures of each label."""
        labels = self.label_set.labels
        names, thresholds = [label.label for label in labels], [label.threshold for label in labels]
        return per_label(truth, self.calibrated, self.assigned, names, thresholds)


@dataclass(frozen=True)
class Evaluation:
    """A model against its baselines on the same test rows."""

    title: str
    protocol: str
    """In one line: data, split, seed, what was fitted where. It stands beside every figure."""
    truth: Truth
    """[rows, labels]"""
    ids: Sequence[str]
    texts: Sequence[str]
    model: Candidate
    baselines: Sequence[Candidate] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    """Header lines: data, fingerprint, split, seed, versions, machine."""
    targets: Mapping[str, float] = field(default_factory=dict)
    """Smallest acceptable value by figure, for example f1_micro: .73."""
    history: Sequence[Mapping[str, float]] = ()
    """One entry for each epoch or evaluation, `step` or `epoch` among its keys; draws the training curves."""
    latency: Sequence[Mapping[str, Any]] = ()
    """Rows of the exported graph's latency table; the keys are its columns."""
    seed: int = 0
    """Of the bootstrap and of the examples drawn at random."""
    samples: int = SAMPLES
    """Bootstrap resamples."""

    def __post_init__(self) -> None:
        rows, labels = self.truth.shape
        if not len(self.ids) == len(self.texts) == rows:
            raise ValueError(f"{len(self.ids)} ids and {len(self.texts)} texts for {rows} test rows")
        for candidate in self.candidates:
            if candidate.scores.shape != (rows, labels) or len(candidate.label_set.labels) != labels:
                raise ValueError(
                    f"{candidate.name}: scores {candidate.scores.shape} and {len(candidate.label_set.labels)} labels "
                    f"for truth {self.truth.shape}"
                )

    @property
    def candidates(self) -> list[Candidate]:
        """The model, then the baselines."""
        return [self.model, *self.baselines]

    @property
    def names(self) -> list[str]:
        """Display names of the labels."""
        return [label.name for label in self.model.label_set.labels]


def cross_fitted_figures(found: CrossFitted, truth: Truth) -> dict[str, float]:
    """Return the figures that a Candidate's `validation` holds."""
    return {"f1_micro": micro_f1(truth, found.assigned), "f1_macro": macro_f1(truth, found.assigned)}
