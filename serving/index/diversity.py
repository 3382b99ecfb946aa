"""Maximal marginal relevance: a list whose items are good and unlike each other."""

import numpy as np
from numpy.typing import NDArray


def mmr(vectors: NDArray[np.float32], scores: NDArray[np.float32], k: int, diversity: float) -> NDArray[np.int64]:
    """Choose `k` of n candidates one by one, each the best by `(1 - diversity) * score - diversity * similarity`.

    Similarity is the largest cosine to what is chosen already. Scores are brought to 0 .. 1 over the candidates first,
    so that it does not matter in what unit the model scores. (Carbonell and Goldstein, SIGIR 1998.)

    Args:
        vectors: [n, dimensions] of the candidates.
        scores: [n], larger is better.
        k: how many to choose; all, where there are fewer.
        diversity: from 0, the best by score, to 1, the most unlike. The first one is the best by score in any case.

    Returns:
        Indices of the chosen, [min(k, n)], in the order of choice; of equals the earlier candidate comes first.
    """
    count = min(k, len(scores))
    gains = (1 - diversity) * _to_unit_range(scores)  # [n]
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)  # [n, dimensions]
    nearest = np.full(len(scores), -np.inf)  # [n], to what is chosen
    order = np.zeros(count, dtype=np.int64)
    for place in range(count):
        chosen = int(np.argmax(gains - diversity * nearest if place else scores))
        order[place] = chosen
        np.maximum(nearest, unit @ unit[chosen], out=nearest)
        gains[chosen] = -np.inf
    return order


def _to_unit_range(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    if not len(scores):
        return np.zeros(0)
    values = scores.astype(np.float64)
    low, high = values.min(), values.max()
    scaled: NDArray[np.float64] = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return scaled
