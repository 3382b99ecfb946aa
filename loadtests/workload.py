"""The texts that every arm of the benchmark is asked to embed.

Lengths follow a log-normal law with a median of 34 words and sigma 0.85, drawn again while outside 6 to 180 words: half
of the texts are short queries and titles, the mean is about 42 words, and one text in twenty is longer than 105. Such a
right-skewed mix is what an embedding service meets, and what makes padding to the longest neighbour expensive.

With `JUBAKO_DATA_DIR` set the texts are real ones instead (see `corpora.py`), cut to the same bounds.
"""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtests.vocabulary import frequencies, words

MIN_WORDS = 6
MAX_WORDS = 180
MEDIAN_WORDS = 34.0
SIGMA = 0.85
"""Standard deviation of the logarithm of a length."""

SENTENCE_WORDS = (5, 22)
"""Shortest and longest sentence, in words."""

DATA_VARIABLE = "JUBAKO_DATA_DIR"
HISTOGRAM_EDGES = (6, 10, 20, 30, 45, 60, 90, 120, 150, 181)


@dataclass(frozen=True)
class Lengths:
    """A log-normal law of lengths in words, drawn again while outside its bounds."""

    median: float
    sigma: float
    low: int
    high: int

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return `count` lengths, [count]."""
        kept = np.empty(0, dtype=np.int64)
        while len(kept) < count:
            drawn = np.rint(rng.lognormal(np.log(self.median), self.sigma, 2 * count)).astype(np.int64)
            kept = np.concatenate([kept, drawn[(drawn >= self.low) & (drawn <= self.high)]])
        return kept[:count]


TEXTS = Lengths(MEDIAN_WORDS, SIGMA, MIN_WORDS, MAX_WORDS)


@dataclass(frozen=True)
class Workload:
    """Texts and where they come from."""

    texts: list[str]
    source: str


def make_workload(count: int, seed: int) -> Workload:
    """Return `count` texts: real ones when `JUBAKO_DATA_DIR` names a folder, else generated ones.

    The same count, seed and folder always give the same texts.
    """
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        return Workload(generate(count, seed), f"generated, seed {seed}")
    from loadtests.corpora import read_texts  # needs a Parquet reader, which generated texts do not

    return Workload(read_texts(Path(folder), count, seed), f"real texts of {DATA_VARIABLE}, seed {seed}")


def generate(count: int, seed: int, lengths: Lengths = TEXTS) -> list[str]:
    """Return `count` English-like texts, of 6 to 180 words where no other law is given."""
    rng = np.random.default_rng(seed)
    vocabulary = words()
    chances = frequencies(len(vocabulary))
    drawn = lengths.draw(count, rng)  # [count]
    ranks = rng.choice(len(vocabulary), size=int(drawn.sum()), p=chances)
    ends = np.cumsum(drawn)
    return [
        _punctuate([vocabulary[rank] for rank in ranks[end - length : end]], rng)
        for length, end in zip(drawn, ends, strict=True)
    ]


def cut(text: str) -> str | None:
    """Return a text's first 180 words, or None when it has fewer than 6."""
    found = text.split()
    return " ".join(found[:MAX_WORDS]) if len(found) >= MIN_WORDS else None


def histogram(texts: Sequence[str]) -> list[tuple[str, int]]:
    """Count texts by length: a label such as `10-19` (words) and the number of texts."""
    lengths = [len(text.split()) for text in texts]
    counts, _ = np.histogram(lengths, bins=HISTOGRAM_EDGES)
    labels = [f"{low}-{high - 1}" for low, high in itertools.pairwise(HISTOGRAM_EDGES)]
    return [(label, int(count)) for label, count in zip(labels, counts, strict=True)]


def _punctuate(found: list[str], rng: np.random.Generator) -> str:
    """Make sentences of words: capitals, full stops, now and then a comma."""
    sentences: list[str] = []
    while found:
        size = int(rng.integers(*SENTENCE_WORDS, endpoint=True))
        sentence, found = found[:size], found[size:]
        if len(sentence) > 8 and rng.random() < 0.6:
            sentence[len(sentence) // 2] += ","
        sentences.append(" ".join(sentence).capitalize() + ".")
    return " ".join(sentences)
