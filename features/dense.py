"""Numbers of a record -> inputs of a graph, robustly scaled."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, FiniteFloat, PositiveFloat, model_validator

from features.labels import Derived

Numbers = NDArray[np.float64]  # [rows, numbers]

EVEN = ("is_complete", "publish_year", "update_year", "5times_in_title", "hiatus_in_summary")
"""Numbers that are no amounts, whose logarithm would say nothing. Amounts of readers span five orders of magnitude: as
they are, the spread of the middle half would put the best-read works hundreds of units away."""


class DenseConfig(Derived):
    """Which numbers are read, and their middle and spread in the training rows."""

    names: tuple[str, ...] = Field(min_length=1)
    """In the order of the array's columns."""
    log: tuple[str, ...] = ()
    """Those of which log(1 + x) is taken first."""
    centre: tuple[FiniteFloat, ...]
    """Medians."""
    scale: tuple[PositiveFloat, ...]
    """Distances between the quartiles; 1 where there is none."""
    limit: PositiveFloat = 10.0
    """Scaled numbers are cut off here."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if len(set(self.names)) != len(self.names):
            raise ValueError("a name appears twice")
        if not len(self.names) == len(self.centre) == len(self.scale):
            raise ValueError(f"{len(self.centre)} centres and {len(self.scale)} scales for {len(self.names)} names")
        if unknown := set(self.log) - set(self.names):
            raise ValueError(f"log names what is not read: {', '.join(sorted(unknown))}")
        return self

    @classmethod
    def fit(cls, names: Sequence[str], numbers: ArrayLike, log: Iterable[str] | None = None) -> Self:
        """Take middle and spread from training rows `numbers` [rows, names], which may hold NaN and infinities.

        `log` None: amounts, but not the years and the yes-or-no numbers of a fan work.
        """
        logged = tuple(name for name in names if (name not in EVEN if log is None else name in set(log)))
        unscaled = {"centre": (0.0,) * len(names), "scale": (1.0,) * len(names)}
        raw = cls(names=tuple(names), log=logged, **unscaled)
        columns = raw._compressed(np.asarray(numbers, np.float64).reshape(-1, len(names))).T  # [names, rows]
        quartiles = [np.percentile(told, (25, 50, 75)) if told.size else _UNTOLD for told in map(_finite, columns)]
        centre = tuple(float(middle) for _, middle, _ in quartiles)
        scale = tuple(float(high - low) or 1.0 for low, _, high in quartiles)
        return cls(names=raw.names, log=raw.log, centre=centre, scale=scale)

    def apply(self, numbers: ArrayLike) -> NDArray[np.float32]:
        """Scale numbers [rows, names] to float32 of the same shape, all finite; what is NaN becomes the middle."""
        centre, scale = self._statistics
        compressed = self._compressed(np.asarray(numbers, np.float64))
        with np.errstate(over="ignore"):
            scaled = (compressed - centre) / scale  # [rows, names]
        limited = np.clip(np.where(np.isnan(scaled), 0.0, scaled), -self.limit, self.limit)
        result: NDArray[np.float32] = limited.astype(np.float32)
        return result

    def _compressed(self, numbers: Numbers) -> Numbers:
        """Return the numbers [rows, names] with the logarithm where it is to be taken."""
        result: Numbers = np.where(self._logged, np.log1p(np.maximum(numbers, 0.0)), numbers)
        return result

    @cached_property
    def _logged(self) -> NDArray[np.bool_]:
        return np.isin(self.names, self.log)  # [names]

    @cached_property
    def _statistics(self) -> tuple[Numbers, Numbers]:
        return np.array(self.centre), np.array(self.scale)  # [names] each


def _finite(column: Numbers) -> Numbers:
    told: Numbers = column[np.isfinite(column)]
    return told


_UNTOLD = np.array([-0.5, 0.0, 0.5])
"""Quartiles of what no training row tells: middle 0, spread 1."""
