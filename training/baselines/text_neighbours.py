"""What the neighbours of a work have to beat: the words of two texts, and no knowledge at all."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from training.metrics.lists import Ranked, best
from training.metrics.neighbours import CELLS, nearest


def tfidf_neighbours(texts: Sequence[str], queries: NDArray[np.int64], n: int, max_ngram: int = 1) -> Ranked:
    """Return the n texts nearest to each query by the cosine of TF-IDF, [queries, n].

    Args:
        texts: All texts, [rows].
        queries: Rows, [queries].
        n: Wanted; a list ends where no text shares a word with the query.
        max_ngram: Longest run of words that counts.
    """
    vectorizer = TfidfVectorizer(
        ngram_range=(1, max_ngram), sublinear_tf=True, dtype=np.float32, token_pattern=r"(?u)\b\w+\b"
    )
    return nearest(vectorizer.fit_transform(texts), queries, n)


def random_neighbours(rows: int, queries: NDArray[np.int64], n: int, seed: int = 0) -> Ranked:
    """Return n other rows for each query by lot, [queries, n]."""
    rng = np.random.default_rng(seed)
    step = max(1, CELLS // max(1, rows))
    parts = [np.zeros((0, n), dtype=np.int32)]
    for at in range(0, len(queries), step):
        chunk = queries[at : at + step]
        lots = rng.random((len(chunk), rows), dtype=np.float32)  # [chunk, rows]
        lots[np.arange(len(chunk)), chunk] = -np.inf
        parts.append(best(lots, n))
    return np.concatenate(parts)
