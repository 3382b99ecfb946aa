"""What a classifier's labels are and how scores become a decision: the `labels.json` of a bundle.

The graph ends with a sigmoid. What follows is small, is fitted on validation rows and has to be the same in training's
figures and in the server's answers, so it lives here: calibration, then implications, then thresholds.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

LABELS_FILE = "labels.json"

Scores = NDArray[np.float32]  # [rows, labels]
Assigned = NDArray[np.bool_]  # [rows, labels]

SMALLEST = 1e-7
"""Distance from 0 and 1 at which a score's logit is cut off."""
LARGEST_LOGIT = 80.0
"""A calibrated logit is cut off here, before its exponential overflows."""
BLOCK = 256
"""Rows that an isotonic map looks up at a time, which bounds its memory."""


class Strict(BaseModel):
    """Base of what is read from JSON: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Derived(Strict):
    """Base of what keeps arrays that follow from its fields: they are no part of its value, and a copy has its own."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(
            getattr(self, name) == getattr(other, name) for name in type(self).model_fields
        )

    def __copy__(self) -> Self:
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return cast(Self, type(self).model_construct(self.model_fields_set, **fields))


class Label(Strict):
    """One output of the classifier."""

    label: str
    """Stable identifier, for programs."""
    name: str
    """Display name, for people."""
    threshold: float = Field(0.5, ge=0, le=1)
    """Calibrated score from which the label is assigned."""


class Temperature(Strict):
    """One number that softens or sharpens all scores: sigmoid(logit / temperature)."""

    kind: Literal["temperature"] = "temperature"
    temperature: float = Field(gt=0)

    def apply(self, scores: Scores) -> Scores:
        """Calibrate scores [rows, labels]."""
        clipped = np.clip(scores, SMALLEST, 1 - SMALLEST)
        logits = np.log(clipped / (1 - clipped)) / self.temperature
        calibrated: Scores = 1 / (1 + np.exp(-np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)))
        return calibrated


class Isotonic(Derived):
    """One rising, piecewise linear map for each label; level before its first point and after its last."""

    kind: Literal["isotonic"] = "isotonic"
    knots: list[list[tuple[float, float]]]
    """For each label its (score, calibrated score) points, both rising."""

    @model_validator(mode="after")
    def _rise(self) -> Self:
        for points in self.knots:
            if not points or any(a[0] > b[0] or a[1] > b[1] for a, b in pairwise(points)):
                raise ValueError("the knots of a label must rise in score and in calibrated score")
        return self

    def apply(self, scores: Scores) -> Scores:
        """Calibrate scores [rows, labels]."""
        if len(scores) > BLOCK:
            return np.concatenate([self.apply(scores[at : at + BLOCK]) for at in range(0, len(scores), BLOCK)])
        knots, (x, y, slope), starts = self._tables
        passed = (scores[:, None, :] >= knots).sum(axis=1, dtype=np.uint16)  # [rows, knots, labels] -> [rows, labels]
        at = passed + starts  # [rows, labels]
        calibrated: Scores = (y.take(at) + slope.take(at) * (scores - x.take(at))).astype(np.float32)
        return calibrated

    @cached_property
    def _tables(self) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.intp]]:
        """Knots [knots, labels], filled up with infinity; and each segment's (x, y, slope), label after label.

        A label's segments are the level one before its first knot and the one that each knot begins.
        """
        most = max(map(len, self.knots))
        xs = np.full((most, len(self.knots)), np.inf, dtype=np.float32)  # [knots, labels]
        segments = np.zeros((3, len(self.knots), most + 1))
        for at, points in enumerate(self.knots):
            x, y = np.array(points).T  # [knots of the label]
            x = x.astype(np.float32).astype(np.float64)  # what the scores, which are float32, are compared with
            run, rise = np.diff(x), np.diff(y)
            xs[: len(x), at] = x
            segments[0, at, 1 : len(x) + 1] = x
            segments[1, at, : len(x) + 1] = np.append(y[0], y)
            segments[2, at, 1 : len(x)] = np.divide(rise, run, out=np.zeros_like(run), where=run > 0)
        return xs, segments.reshape(3, -1), np.arange(len(self.knots)) * (most + 1)


Calibration = Annotated[Temperature | Isotonic, Field(discriminator="kind")]


class LabelSet(Derived):
    """The labels of a classifier in the order of its outputs, and its decision rule."""

    labels: list[Label] = Field(min_length=1)
    implications: list[tuple[str, str]] = []
    """Pairs (a, b): whatever is a is b too. Two labels that are one thing under two names imply each other."""
    calibration: Calibration | None = None
    top_1_fallback: bool = True
    """Whether a row that passes no threshold is assigned its best label, and what that implies."""

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        keys = [label.label for label in self.labels]
        if len(set(keys)) != len(keys):
            raise ValueError("a label appears twice")
        if unknown := {key for pair in self.implications for key in pair} - set(keys):
            raise ValueError(f"implications name unknown labels: {', '.join(sorted(unknown))}")
        if isinstance(self.calibration, Isotonic) and len(self.calibration.knots) != len(keys):
            raise ValueError(f"{len(self.calibration.knots)} calibration maps for {len(keys)} labels")
        return self

    @classmethod
    def of(cls, labels: Sequence[Label], implications: Sequence[tuple[str, str]]) -> Self:
        """Make a set, leaving out implications that name labels it does not have."""
        keys = {label.label for label in labels}
        return cls(labels=list(labels), implications=[pair for pair in implications if keys.issuperset(pair)])

    def with_decision(self, calibration: Calibration | None, thresholds: Sequence[float]) -> Self:
        """Return the same labels and implications under another calibration and other thresholds."""
        labels = [
            label.model_copy(update={"threshold": float(threshold)})
            for label, threshold in zip(self.labels, thresholds, strict=True)
        ]
        rule = {"calibration": calibration, "top_1_fallback": self.top_1_fallback}
        return type(self).model_validate({"labels": labels, "implications": self.implications, **rule})

    def calibrate(self, scores: Scores) -> Scores:
        """Return calibrated scores [rows, labels]; what implies a label never scores above it."""
        calibrated = scores if self.calibration is None else self.calibration.apply(scores)
        if not self._implied:
            return calibrated
        above, below = self._implied
        raised = calibrated.copy()
        raised[:, above] = calibrated[:, below].max(axis=1)  # [rows, below, implied] -> [rows, implied]
        return raised

    def assign(self, scores: Scores, threshold: float | None = None) -> Assigned:
        """Decide calibrated scores [rows, labels]; a `threshold` takes the place of every label's own.

        With the labels' own thresholds, a row that passes none is assigned its best label and what that implies; with
        a given one it may stay empty, for the caller has said what counts.
        """
        assigned: Assigned = scores >= (self._thresholds if threshold is None else np.float32(threshold))
        if self._implied:
            above, below = self._implied
            assigned[:, above] = assigned[:, below].any(axis=1)  # [rows, below, implied] -> [rows, implied]
        if threshold is None and self.top_1_fallback:
            empty = np.flatnonzero(~assigned.any(axis=1))
            if empty.size:
                assigned[empty] = self.closure[self._best(scores[empty])]
        return assigned

    def _best(self, scores: Scores) -> NDArray[np.intp]:
        """Return the place of each row's best label, [rows]; of equals the one that implies most of the others."""
        equals = scores >= scores.max(axis=1, keepdims=True)  # [rows, labels]
        best: NDArray[np.intp] = (equals * self.closure.sum(axis=1)).argmax(axis=1)
        return best

    @cached_property
    def _thresholds(self) -> NDArray[np.float32]:
        return np.array([label.threshold for label in self.labels], dtype=np.float32)  # [labels]

    @cached_property
    def closure(self) -> Assigned:
        """Which label is which, directly or through others: [labels, labels], true at (a, b) where a implies b."""
        place = {label.label: at for at, label in enumerate(self.labels)}
        implies = np.eye(len(self.labels), dtype=np.bool_)
        for a, b in self.implications:
            implies[place[a], place[b]] = True
        for between in range(len(implies)):  # Warshall's algorithm
            implies |= implies[:, between, None] & implies[between]
        return implies

    @cached_property
    def _implied(self) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        """The places of the labels that others imply, [implied], and of what implies each, itself too.

        The latter is [below, implied]; where a label has fewer than the others its own place fills up.
        """
        above = np.flatnonzero(self.closure.sum(axis=0) > 1)
        if not above.size:
            return None
        members = [np.flatnonzero(self.closure[:, at]) for at in above]
        below = np.tile(above, (max(map(len, members)), 1))
        for at, found in enumerate(members):
            below[: len(found), at] = found
        return above, below
