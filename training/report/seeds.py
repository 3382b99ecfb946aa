"""The same training from several seeds: what is the variant's, and what is chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.stats import t

from training.metrics.bootstrap import CONFIDENCE
from training.report.recommender_evaluation import SeedRun


@dataclass(frozen=True)
class OverSeeds:
    """A figure of one variant, or the difference of two over the seeds that both were trained from."""

    runs: int
    mean: float
    sd: float | None
    """Of one run, with runs - 1 in the denominator; None for a single run."""
    low: float | None
    """The mean's 95% interval by Student's t; None for a single run."""
    high: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Summarise one value for each seed."""
        count, mean = len(values), float(np.mean(values))
        if count < 2:
            return cls(count, mean, None, None, None)
        sd = float(np.std(values, ddof=1))
        half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * sd / count**0.5
        return cls(count, mean, sd, mean - half, mean + half)


Table = dict[str, dict[str, OverSeeds]]
"""By variant, or by difference of two; then by figure."""


def by_variant(runs: Sequence[SeedRun]) -> Table:
    """Return every variant's figures over its seeds, in the order in which the variants come."""
    variants = dict.fromkeys(run.variant for run in runs)
    return {name: _over([run.figures for run in runs if run.variant == name]) for name in variants}


def gaps(runs: Sequence[SeedRun]) -> Table:
    """Return each later variant minus the first, seed by seed, under `later - first`."""
    first, *others = dict.fromkeys(run.variant for run in runs) or [""]
    by_seed = {(run.variant, run.seed): run.figures for run in runs}
    found: Table = {}
    for name in others:
        seeds = [seed for variant, seed in by_seed if variant == name and (first, seed) in by_seed]
        pairs = [(by_seed[name, seed], by_seed[first, seed]) for seed in seeds]
        if pairs:
            found[f"{name} - {first}"] = _over(
                [{key: ours[key] - base[key] for key in ours if key in base} for ours, base in pairs]
            )
    return found


def _over(tables: Sequence[Mapping[str, float]]) -> dict[str, OverSeeds]:
    shared = [key for key in tables[0] if all(key in table for table in tables)]
    return {key: OverSeeds.of([table[key] for table in tables]) for key in shared}
