"""Text -> a bag of hashed word and character n-grams, exactly alike at training, export and serving.

There is no vocabulary: an n-gram's place is a hash of its characters, so nothing is unknown and nothing has to be
fitted or shipped. Hashes of all n-grams come from sums over prefixes (Karp and Rabin 1987, written with inverse powers
so that a prefix sum serves every position), and many texts are hashed as one, in a few NumPy operations.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from features.labels import Strict
from features.rows import Array, FeatureRow, Feed, pad

IDS, WEIGHTS = "ngram_ids", "ngram_weights"

Hashes = NDArray[np.uint64]

BASE = 0x9E3779B97F4A7C15
"""Odd, so that it has an inverse modulo 2^64."""
SPACE = 32
BLOCK = 1 << 16
"""Characters that are hashed at once: what they take still fits into a processor's cache."""


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
        lowered = [text[: self.config.max_chars].lower() for text in texts]
        rows = [row for block in self._blocks(lowered) for row in self._rows(block)]
        cut = [len(text) > self.config.max_chars for text in texts]
        return [FeatureRow(arrays, len(arrays[IDS]), longer) for arrays, longer in zip(rows, cut, strict=True)]

    def collate(self, rows: Sequence[FeatureRow], multiple: int = 1) -> Feed:
        """Return `ngram_ids` and `ngram_weights`, both [rows, n-grams]; padding weighs nothing."""
        ids, _ = pad([row.arrays[IDS] for row in rows], 0, multiple)
        weights, _ = pad([row.arrays[WEIGHTS] for row in rows], 0.0, multiple)
        return Feed({IDS: ids, WEIGHTS: weights}, len(rows), sum(map(len, rows)), ids.size)

    def _blocks(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Divide texts into blocks that the powers reach across."""
        block: list[str] = []
        length = 1
        for text in texts:
            if length + len(text) + 1 > len(self._powers[0]):
                yield block
                block, length = [], 1
            block.append(text)
            length += len(text) + 1
        if block:
            yield block

    def _rows(self, texts: Sequence[str]) -> list[dict[str, Array]]:
        """Return the arrays of each text; n-grams are counted together, each under the number of its text."""
        bits = np.uint64(self.config.bits)
        hashes, owners = self._hashes(_Words.of(texts))
        keys = (hashes >> (np.uint64(64) - bits)) | (owners.astype(np.uint64) << bits)  # [all n-grams]
        keys.sort()
        firsts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else _NONE
        weights = self._weigh(np.diff(firsts, append=len(keys)))  # [n-grams]
        found = keys[firsts]  # [n-grams]
        ids = (found & np.uint64(self.config.buckets - 1)).astype(np.int64)
        edges = np.searchsorted(found, np.arange(len(texts) + 1, dtype=np.uint64) << bits).tolist()
        # a graph needs a place to look at, even where there is nothing to see
        return [
            {IDS: ids[a:b], WEIGHTS: weights[a:b]} if b > a else {IDS: _NO_ID, WEIGHTS: _NO_WEIGHT}
            for a, b in pairwise(edges)
        ]

    def _weigh(self, counts: NDArray[np.intp]) -> NDArray[np.float32]:
        if self.config.count == "one":
            return np.ones(len(counts), np.float32)
        if self.config.count == "raw":
            return counts.astype(np.float32)
        return (1.0 + np.log(counts)).astype(np.float32)

    def _hashes(self, words: "_Words") -> tuple[Hashes, NDArray[np.intp]]:
        """Return the hashes of all n-grams, with repetitions, and the numbers of the texts they are in."""
        span = _Spans(words.points, self._powers)
        singles = span.hashes(words.starts, words.ends)  # [words]
        hashes, owners = [_NO_HASHES], [_NONE]
        for order in self.config.words:
            if len(singles) >= order:
                owner = words.owners[order - 1 :]
                within = words.owners[: len(owner)] == owner  # an n-gram never reaches into the next text
                hashes.append(_combine(singles, order)[within])
                owners.append(owner[within])
        for order in self.config.characters:
            starts, owner = words.windows(order)
            hashes.append(_mix(span.hashes(starts, starts + order) + np.uint64(order << 8)))
            owners.append(owner)
        return np.concatenate(hashes), np.concatenate(owners)

    @cached_property
    def _powers(self) -> tuple[Hashes, Hashes]:
        """Powers of the base and of its inverse, [characters]."""
        length = max(BLOCK, self.config.max_chars * 3 + 2)  # lower-casing may lengthen a text, to three times at most
        powers = np.full(length, BASE, np.uint64)
        inverses = np.full(length, pow(BASE, -1, 1 << 64), np.uint64)
        powers[0] = inverses[0] = 1
        return np.multiply.accumulate(powers), np.multiply.accumulate(inverses)


@dataclass(frozen=True)
class _Words:
    """The words of several texts that stand one after the other, blanks before, between and after them."""

    points: NDArray[np.uint32]
    """Code points; what is no part of a word is a blank, [characters]."""
    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    owners: NDArray[np.intp]
    """Number of the text that a word is in, [words]."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Find the words of lower-cased texts."""
        points = np.frombuffer(f" {' '.join(texts)} ".encode("utf-32-le", "surrogatepass"), np.uint32)
        inside = _word_characters()[points]  # [characters]
        edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
        starts, ends = edges[0::2], edges[1::2]  # [words]
        first = np.cumsum([1, *(len(text) + 1 for text in texts)])  # place where each text begins, and the end
        words = np.diff(np.searchsorted(starts, first))  # [texts]
        owners = np.repeat(np.arange(len(texts)), words)
        return cls(np.where(inside, points, np.uint32(SPACE)), starts, ends, owners)

    def windows(self, order: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return where the n-grams of `order` characters begin, and their texts' numbers.

        Each is part of a word with a blank on both sides: a blank is its first character or its last, never between.
        """
        counts = np.maximum(self.ends - self.starts + 3 - order, 0)  # [words]
        before = np.cumsum(counts) - counts
        offsets = np.arange(counts.sum()) - np.repeat(before, counts)
        return np.repeat(self.starts - 1, counts) + offsets, np.repeat(self.owners, counts)


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


@cache
def _word_characters() -> NDArray[np.bool_]:
    """Return which code points are letters or digits, [code points]."""
    return np.fromiter((chr(point).isalnum() for point in range(sys.maxunicode + 1)), np.bool_, sys.maxunicode + 1)


_NO_HASHES: Hashes = np.zeros(0, np.uint64)
_NONE: NDArray[np.intp] = np.zeros(0, np.intp)
_NO_ID: NDArray[np.int64] = np.zeros(1, np.int64)
_NO_WEIGHT: NDArray[np.float32] = np.zeros(1, np.float32)
