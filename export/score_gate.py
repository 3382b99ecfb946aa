"""Gates of classifiers: scores close to PyTorch's, alone as in any batch, and decisions as good on held-out rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.manifest import Precision, TaskMetric, Tolerances
from export.gates import ALONE_TEXTS, Verdict, invariance, parity_of
from export.runner import Run, embed, run_graph
from features.labels import LabelSet
from features.rows import Features
from training.metrics.averages import micro_f1

Scores = NDArray[np.float32]  # [rows, labels]
Truth = NDArray[np.bool_]  # [rows, labels]

HALF_STEPS = 1e-3
"""How far a score in half precision may be off itself in a batch: two steps between neighbouring numbers below 1."""


@dataclass(frozen=True)
class HeldOut:
    """Rows that the classifier was not trained on."""

    texts: Sequence[str]
    truth: Truth
    scores: Scores
    """What the trained module gives for them, uncalibrated."""
    protocol: str


class ScoreGate:
    """Compares graphs with the trained module."""

    def __init__(
        self, reference: Run, features: Features, probes: Sequence[str], held_out: HeldOut, labels: LabelSet,
        limits: Tolerances,
    ) -> None:  # fmt: skip
        self._features = features
        self._probes = list(probes)
        self._held_out = held_out
        self._labels = labels
        self._limits = limits
        self.reference: Scores = embed(reference, features, self._probes)
        """The module's scores of the probes, float32 [probes, labels]."""
        self.baseline: TaskMetric = self._measure(held_out.scores)
        """The module's micro-F1 on the held-out rows."""

    def check(self, precision: Precision, path: Path, max_abs: float, probes: int | None = None) -> Verdict:
        """Measure the graph in `path`; with `probes`, on a few texts only and without the task."""
        run = run_graph(path)
        texts = self._probes[:probes]
        scores = embed(run, self._features, texts)
        parity = parity_of(scores, self.reference[: len(texts)])
        cosine, apart = invariance(run, self._features, texts[: min(ALONE_TEXTS, len(texts))])
        metric = self._measure(embed(run, self._features, self._held_out.texts)) if probes is None else None
        drop = 1 - metric.value / max(self.baseline.value, 1e-9) if metric is not None else 0.0
        most_apart = HALF_STEPS if precision is Precision.FP16 else self._limits.fp32_max_abs
        failures = tuple(self._failures(parity.max_abs, max_abs, cosine, (apart, most_apart), drop))
        told = metric or self.baseline.model_copy(
            update={"protocol": f"not measured for this precision; PyTorch: {self.baseline.protocol}"}
        )
        return Verdict(parity, cosine, told, drop, failures)

    def _measure(self, scores: Scores) -> TaskMetric:
        assigned = self._labels.assign(self._labels.calibrate(scores))
        value = micro_f1(self._held_out.truth, assigned)
        return TaskMetric(name="micro_f1", value=value, protocol=self._held_out.protocol)

    def _failures(
        self, off: float, max_abs: float, cosine: float, apart: tuple[float, float], drop: float
    ) -> Iterator[str]:
        # `not a <= b` rather than `a > b`: a graph that gives NaN has to fail.
        if not off <= max_abs:
            yield f"a score is {off:.2g} off PyTorch's, at most {max_abs:g} is allowed"
        if not cosine >= (floor := self._limits.batch_invariance_min_cosine):
            yield f"cosine of a row's scores alone to those in a batch is {cosine:.5f}, at least {floor} is required"
        if not apart[0] <= apart[1]:
            yield f"a score alone is {apart[0]:.2g} off the one in a batch, at most {apart[1]:g} is allowed"
        if not drop <= (most := self._limits.metric_drop):
            yield f"{drop:.2%} of micro_f1 is lost, at most {most:.2%} is allowed"
