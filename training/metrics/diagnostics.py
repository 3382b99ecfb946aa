"""What a catalogue's vectors are like: lengths, how much of their space they use, and whether neighbours make sense."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import rankdata

from training.metrics.arrays import Values, divide, mean
from training.metrics.lists import Ranked, as_matrix
from training.metrics.neighbours import agreement, chance_agreement, nearest, unit

NEIGHBOURS = 10
QUERIES = 2000
"""Items, drawn at random, whose neighbours are looked at."""

DEFINITIONS = {
    "norm_popularity": "rank correlation (Spearman) of a vector's length with its item's interactions in training",
    "mean_cosine": "over all pairs of vectors; 0 for directions spread evenly, 1 for one direction",
    "isotropy": "min / max over the principal axes c of sum exp(c . unit vector) (Mu and Viswanath, 2018); 1 is even",
    "effective_rank": "exp of the entropy of the variance over principal axes (Roy and Vetterli, 2007); at most the "
    "number of dimensions",
    "first_axis": "share of the variance on the first principal axis",
}


@dataclass(frozen=True)
class Against:
    """A share, and what neighbours drawn at random would reach."""

    found: float
    chance: float
    queries: int
    """Items that it is the mean of: those that have anything to agree with."""


@dataclass(frozen=True)
class Spread:
    """How much of their space vectors use; see DEFINITIONS."""

    mean_cosine: float
    isotropy: float
    effective_rank: float
    first_axis: float

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> Self:
        """Measure vectors [items, dimensions]."""
        units = np.asarray(unit(vectors), dtype=np.float64)
        _, axes = np.linalg.eigh(units.T @ units)  # [dimensions, axes]
        parts = np.exp(units @ axes).sum(axis=0)  # [axes]
        centred = vectors - vectors.mean(axis=0, dtype=np.float64)
        variance = np.maximum(np.linalg.eigvalsh(centred.T @ centred), 0)  # [axes], rising
        shares = divide(variance, variance.sum())
        entropy = -(shares * np.log(np.maximum(shares, np.finfo(float).tiny))).sum()
        pairs = np.square(units.sum(axis=0)).sum() - np.square(units).sum()
        return cls(
            mean_cosine=float(divide(pairs, np.array(len(vectors) * (len(vectors) - 1)))),
            isotropy=float(parts.min() / parts.max()),
            effective_rank=float(np.exp(entropy)) if variance.any() else 0.0,
            first_axis=float(shares[-1]),
        )


@dataclass(frozen=True)
class Diagnostics:
    """Of vectors [items, dimensions]; see DEFINITIONS."""

    items: int
    dimensions: int
    norms: dict[str, float]
    """Mean, standard deviation and quantiles of the vectors' lengths."""
    norm_popularity: float
    spread: Spread
    neighbours: dict[str, Against]
    """How far the nearest by cosine are those of the users (`interactions`), or share a `category`, an `author`."""

    @classmethod
    def of(
        cls,
        vectors: NDArray[np.float32],
        history: csr_matrix,
        sets: dict[str, csr_matrix],
        n: int = NEIGHBOURS,
        most: int = QUERIES,
        seed: int = 0,
    ) -> Self:
        """Look at item vectors [items, dimensions], beside training interactions [users, items].

        Args:
            vectors: As they are served.
            history: What training saw.
            sets: By what they tell, boolean [items, values]: categories, authors.
            n: Neighbours of each item.
            most: Items whose neighbours are looked at.
            seed: Of their choice.
        """
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)  # [items]
        popularity = np.asarray(history.astype(bool).sum(axis=0)).ravel()  # [items]
        queries = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:most])
        near = nearest(vectors, queries, n)
        known = {"interactions": interaction_overlap(near, queries, history)}
        known |= {name: shared_values(near, queries, held) for name, held in sets.items()}
        return cls(
            items=vectors.shape[0],
            dimensions=vectors.shape[1],
            norms=distribution(lengths),
            norm_popularity=rank_correlation(lengths, popularity),
            spread=Spread.of(vectors),
            neighbours=known,
        )


def distribution(values: NDArray[Any]) -> dict[str, float]:
    """Return mean, sd, and the quantiles that show a distribution's tails."""
    shares = {"min": 0.0, "5%": 0.05, "25%": 0.25, "median": 0.5, "75%": 0.75, "95%": 0.95, "max": 1.0}
    found = {name: float(np.quantile(values, share)) for name, share in shares.items()}
    return {"mean": float(values.mean()), "sd": float(values.std()), **found}


def interaction_overlap(near: Ranked, queries: NDArray[np.int64], history: csr_matrix) -> Against:
    """Compare neighbours [queries, n] with the n nearest by the cosine of the sets of users [users, items]."""
    n, items = near.shape[1], history.shape[1]
    theirs = nearest(history.T.tocsr(), queries, n)
    common = as_matrix(near, items).multiply(as_matrix(theirs, items)).sum(axis=1)
    listed = (theirs >= 0).sum(axis=1)  # [queries]
    shares: Values = divide(np.asarray(common).ravel(), listed)[listed > 0]
    return Against(mean(shares), min(1.0, n / max(items - 1, 1)), len(shares))


def shared_values(near: Ranked, queries: NDArray[np.int64], sets: csr_matrix) -> Against:
    """Return how often neighbours [queries, n] share a value of boolean sets [items, values]."""
    some = np.diff(sets.indptr)[queries] > 0
    asked = queries[some]
    return Against(mean(agreement(near[some], sets[asked], sets)), mean(chance_agreement(sets, asked)), int(some.sum()))


def rank_correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return Spearman's correlation of values [items]; 0 where one is constant."""
    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (a, b)]
    return float(divide(ranks[0] @ ranks[1], np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1]))))
