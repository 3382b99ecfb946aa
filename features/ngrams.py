"""Text -> a bag of hashed word and character n-grams, exactly alike at training, export and serving.

There is no vocabulary: an n-gram's place is a hash of its characters, so nothing is unknown and nothing has to be
fitted or shipped. Hashes of all n-grams of a text come from sums over prefixes, in a few NumPy operations (Karp and
Rabin 1987, written with inverse powers so that a prefix sum serves every position).
"""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from features.labels import Strict
from features.rows import FeatureRow, Feed, pad

IDS, WEIGHTS = "ngram_ids", "ngram_weights"

Hashes = NDArray[np.uint64]

BASE = 0x9E3779B97F4A7C15
"""Odd, so that it has an inverse modulo 2^64."""
SPACE = 32


class NgramConfig(Strict):
    """What is counted; part of a bundle's `features.json`."""

    bits: int = Field(18, ge=8, le=24)
    """Logarithm of the number of buckets."""
    words: tuple[int, ...] = (1, 2)
    """Lengths of word n-grams."""
    characters: tuple[int, ...] = ()
    """Lengths of character n-grams within words, a blank on each side included."""
    count: Literal["log", "one", "raw"] = "log"
    """An n-gram that occurs n times weighs 1 + log(n), 1, or n."""
    max_chars: int = Field(20_000, gt=0)
    """Characters of a text that are read."""

    @property
    def buckets(self) -> int:
        """Number of buckets."""
        return 1 << self.bits


class NgramFeatures:
    """Counts the hashed n-grams of texts. Case does not matter; what is not a letter or digit separates words."""

    def __init__(self, config: NgramConfig) -> None:
        self.config = config

    def encode(self, texts: Sequence[str]) -> list[FeatureRow]:
        """Return a row for each text: distinct `ngram_ids` int64 and their `ngram_weights` float32, both [n-grams]."""
        return [self._row(text) for text in texts]

    def collate(self, rows: Sequence[FeatureRow], multiple: int = 1) -> Feed:
        """Return `ngram_ids` and `ngram_weights`, both [rows, n-grams]; padding weighs nothing."""
        ids, _ = pad([row.arrays[IDS] for row in rows], 0, multiple)
        weights, _ = pad([row.arrays[WEIGHTS] for row in rows], 0.0, multiple)
        return Feed({IDS: ids, WEIGHTS: weights}, len(rows), sum(map(len, rows)), ids.size)

    def _row(self, text: str) -> FeatureRow:
        hashes = self._hashes(_code_points(text[: self.config.max_chars]))
        buckets, counts = np.unique(hashes >> np.uint64(64 - self.config.bits), return_counts=True)
        ids, weights = buckets.astype(np.int64), self._weigh(counts)
        if not len(ids):  # a graph needs a place to look at, even where there is nothing to see
            ids, weights = np.zeros(1, np.int64), np.zeros(1, np.float32)
        return FeatureRow({IDS: ids, WEIGHTS: weights}, len(ids), len(text) > self.config.max_chars)

    def _weigh(self, counts: NDArray[np.intp]) -> NDArray[np.float32]:
        if self.config.count == "one":
            return np.ones(len(counts), np.float32)
        if self.config.count == "raw":
            return counts.astype(np.float32)
        return (1.0 + np.log(counts)).astype(np.float32)

    def _hashes(self, points: NDArray[np.uint32]) -> Hashes:
        """Return the hashes of all n-grams, with repetitions."""
        if not len(points):
            return np.zeros(0, np.uint64)
        blanks = np.flatnonzero(points == SPACE)  # one before, between and after the words
        span = _Spans(points, self._powers)
        words = span.hashes(blanks[:-1] + 1, blanks[1:])  # [words]
        grams = [_combine(words, order) for order in self.config.words if len(words) >= order]
        inside = np.concatenate([[0], np.cumsum(points[1:-1] == SPACE), [0]])  # blanks up to and with each place
        for order in self.config.characters:
            starts = np.arange(len(points) - order + 1)
            # a blank may be the first or the last of an n-gram, never between
            starts = starts[inside[np.maximum(starts + order - 2, 0)] == inside[starts]]
            grams.append(_mix(span.hashes(starts, starts + order) + np.uint64(order << 8)))
        return np.concatenate(grams) if grams else np.zeros(0, np.uint64)

    @cached_property
    def _powers(self) -> tuple[Hashes, Hashes]:
        """Powers of the base and of its inverse, [characters]."""
        length = self.config.max_chars * 3 + 2  # lower-casing may lengthen a text, to three times at most
        powers = np.full(length, BASE, np.uint64)
        inverses = np.full(length, pow(BASE, -1, 1 << 64), np.uint64)
        powers[0] = inverses[0] = 1
        return np.multiply.accumulate(powers), np.multiply.accumulate(inverses)


class _Spans:
    """Hashes of any spans of one text."""

    def __init__(self, points: NDArray[np.uint32], powers: tuple[Hashes, Hashes]) -> None:
        self._inverses = powers[1]
        terms = (points.astype(np.uint64) + np.uint64(1)) * powers[0][: len(points)]
        self._prefix = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])

    def hashes(self, starts: NDArray[np.intp], ends: NDArray[np.intp]) -> Hashes:
        """Return the hash of each span; equal characters hash alike wherever they stand."""
        found: Hashes = (self._prefix[ends] - self._prefix[starts]) * self._inverses[starts]
        return found


def _combine(words: Hashes, order: int) -> Hashes:
    """Return the hashes of runs of `order` words."""
    runs = len(words) - order + 1
    combined = np.full(runs, order, np.uint64)
    for offset in range(order):
        combined = _mix(combined + words[offset : offset + runs])
    return combined


def _mix(hashes: Hashes) -> Hashes:
    """Spread differences over all bits (the finaliser of splitmix64, Steele and others 2014)."""
    mixed = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Hashes = mixed ^ (mixed >> np.uint64(31))
    return result


def _code_points(text: str) -> NDArray[np.uint32]:
    """Return the words of a lower-cased text as code points, one blank before, between and after them."""
    words = _WORD.findall(text.lower())
    return np.frombuffer(f" {' '.join(words)} ".encode("utf-32-le", "surrogatepass"), np.uint32) if words else _NOTHING


_WORD = re.compile(r"[^\W_]+")
_NOTHING: NDArray[np.uint32] = np.zeros(0, np.uint32)
