"""Gates: what an ONNX file has to show before it goes into a bundle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bundle.golden import cosine_rows, min_cosine_of
from bundle.manifest import Parity, TaskMetric, Tolerances
from export.runner import Run, Vectors, embed, run_graph
from features.rows import Features

ALONE_TEXTS = 48
"""Texts that are run alone and in mixed batches to measure batch invariance."""

REFERENCE = "pytorch fp32"
SMALLEST = 1e-9


@dataclass(frozen=True)
class Verdict:
    """What a gate measured and what it objects to."""

    parity: Parity
    batch_invariance: float
    metric: TaskMetric
    metric_drop: float
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the file may be used."""
        return not self.failures

    def told(self) -> str:
        """Say the figures in one line."""
        return (
            f"cosine {self.parity.mean_cosine:.5f} mean, {self.parity.min_cosine:.5f} min; "
            f"largest difference {self.parity.max_abs:.2g}; invariance {self.batch_invariance:.6f}; "
            f"{self.metric.name} {self.metric.value:.4f} ({-self.metric_drop:+.2%})"
        )


class Task(Protocol):
    """What vectors are good for, measured on inputs that nothing was trained on."""

    @property
    def texts(self) -> Sequence[Any]:
        """The inputs, texts or records as the features take them."""

    def score(self, vectors: Vectors) -> TaskMetric:
        """Return how good the vectors [inputs, dimensions] of the inputs are."""


class Gate:
    """Compares graphs with the PyTorch module: numbers, dependence on the batch, and quality on a task.

    `limits` says how much of the metric may be lost and how far a vector may depend on its batch; how close the numbers
    have to be differs by precision and is given to `check`. It holds for whole vectors and for those cut to `sizes`.
    """

    def __init__(
        self, reference: Run, features: Features, probes: Sequence[Any], task: Task, limits: Tolerances,
        sizes: Sequence[int] = (),
    ) -> None:  # fmt: skip
        self._features = features
        self._probes = list(probes)
        self._task = task
        self._limits = limits
        self._sizes = sizes
        self.reference: Vectors = embed(reference, features, self._probes)
        """The module's vectors of the probes, float32 [probes, dimensions]."""
        self.task_vectors: Vectors = embed(reference, features, task.texts)
        """The module's vectors of the task's texts, float32 [texts, dimensions]."""
        self.baseline: TaskMetric = task.score(self.task_vectors)
        """The module's score on the task."""

    def check(self, path: Path, min_cosine: float, probes: int | None = None, with_task: bool = True) -> Verdict:
        """Measure the graph in `path`.

        `probes` limits the texts to the first few and `with_task` leaves the task out, for graphs that this machine
        runs too slowly; the task's metric is then the reference's, with a protocol that says so.
        """
        run = run_graph(path)
        texts = self._probes[:probes]
        parity = parity_of(embed(run, self._features, texts), self.reference[: len(texts)], self._sizes)
        alike, _ = invariance(run, self._features, texts[: min(ALONE_TEXTS, len(texts))])
        metric = self._score(run) if with_task else _not_measured(self.baseline)
        drop = (self.baseline.value - metric.value) / max(abs(self.baseline.value), SMALLEST)
        failures = self._failures(parity.min_cosine, min_cosine, alike, drop)
        return Verdict(parity, alike, metric, drop, tuple(failures))

    def _failures(self, cosine: float, min_cosine: float, invariance: float, drop: float) -> Iterator[str]:
        # `not a >= b` rather than `a < b`: a graph that gives NaN has to fail.
        if not cosine >= min_cosine:
            yield f"smallest cosine to PyTorch is {cosine:.5f}, at least {min_cosine} is required"
        if not invariance >= (floor := self._limits.batch_invariance_min_cosine):
            yield f"cosine of a text alone to itself in a batch is {invariance:.5f}, at least {floor} is required"
        if not drop <= (most := self._limits.metric_drop):
            yield f"{drop:.2%} of the task metric is lost, at most {most:.2%} is allowed"

    def _score(self, run: Run) -> TaskMetric:
        return self._task.score(embed(run, self._features, self._task.texts))


def parity_of(vectors: Vectors, reference: Vectors, sizes: Sequence[int] = ()) -> Parity:
    """Compare outputs of a graph with the module's, both [rows, outputs]; the smallest cosine is of any of `sizes`."""
    cosines = cosine_rows(vectors, reference)  # [rows]
    return Parity(
        reference=REFERENCE,
        rows=len(reference),
        max_abs=float(np.abs(vectors - reference).max()),
        min_cosine=min_cosine_of(vectors, reference, sizes),
        mean_cosine=float(cosines.mean()),
    )


def invariance(run: Run, features: Features, texts: Sequence[Any]) -> tuple[float, float]:
    """Return the smallest cosine and the largest difference of a text alone to itself in two mixed batches."""
    alone = embed(run, features, texts, rows=1)
    batches = (
        embed(run, features, texts, rows=24, by_length=False),
        embed(run, features, texts[::-1], rows=7, by_length=False)[::-1],
    )
    cosine = min(float(cosine_rows(alone, batch).min()) for batch in batches)
    return cosine, max(float(np.abs(alone - batch).max()) for batch in batches)


def _not_measured(baseline: TaskMetric) -> TaskMetric:
    return baseline.model_copy(update={"protocol": f"not measured for this precision; PyTorch: {baseline.protocol}"})
