"""The few figures that a command prints when an evaluation is done; the report has all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.metrics.bootstrap import Interval


@dataclass(frozen=True)
class Line:
    """One candidate."""

    title: str
    figures: Mapping[str, float]
    intervals: Mapping[str, Interval]
    """Of those figures that have one."""


@dataclass(frozen=True)
class Summary:
    """A model and its baselines on the test rows."""

    shown: Sequence[str]
    """Names of the figures, in order; every line has them."""
    lines: Sequence[Line]
