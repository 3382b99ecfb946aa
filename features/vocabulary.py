"""Values -> rows of an embedding table. Whatever a caller sends has a row."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from features.labels import Derived

Rows = NDArray[np.int64]

HASHER = hashlib.blake2b(digest_size=8, key=b"jubako")
"""Copied for each value; never updated itself."""
PADDING = 0
REMEMBERED = 1 << 17
"""Unknown values whose rows are kept; some 20 MB at most."""
LONGEST = 64
"""Characters of a value that is worth remembering."""


class Vocabulary(Derived):
    """The rows of one table: 0 is nothing, 1 to `oov` share what is unknown, the rest is known values' own."""

    known: tuple[str, ...] = ()
    """Values with a row each, in the order of the rows."""
    oov: int = Field(1, ge=1)
    """Rows that unknown values are hashed into. With nothing known this is a hashed bag of that many buckets."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if len(set(self.known)) != len(self.known):
            raise ValueError("a known value appears twice")
        return self

    @classmethod
    def fit(cls, lists: Iterable[Iterable[str]], oov: int = 1, min_count: int = 1, max_rows: int = 0) -> Self:
        """Make the vocabulary of the values in `lists`, one for each training row; the most frequent come first.

        Values seen less than `min_count` times stay unknown, so that the rows of the unknown are trained. The table
        has at most `max_rows` rows, whatever is rarest left out; 0: as many as there are.

        Raises:
            ValueError: `max_rows` leaves no room beside padding and the unknown.
        """
        if 0 < max_rows <= oov + 1:
            raise ValueError(f"max_rows {max_rows} leaves no row to known values; set it above {oov + 1} or to 0")
        counts = Counter(value for values in lists for value in values)
        frequent = [value for value, seen in counts.items() if seen >= min_count]
        frequent.sort(key=lambda value: (-counts[value], value))
        return cls(known=tuple(frequent[: max_rows - oov - 1 if max_rows else None]), oov=oov)

    @property
    def rows(self) -> int:
        """Number of rows of the table, the one of padding included."""
        return 1 + self.oov + len(self.known)

    def rows_of(self, values: Sequence[str]) -> Rows:
        """Return the row of each value, int64 [values]; never 0 and never an error."""
        places = self._places
        return np.array([places[value] for value in values], dtype=np.int64)

    def is_known(self, value: str) -> bool:
        """Return whether a value has a row of its own."""
        return self._places[value] > self.oov

    @cached_property
    def _places(self) -> "_Places":
        return _Places(self)


class _Places(dict[str, int]):
    """Rows by value; those of unknown values are found when they are asked for."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__((value, row) for row, value in enumerate(vocabulary.known, vocabulary.oov + 1))
        self._oov = vocabulary.oov
        self._most = len(self) + REMEMBERED

    def __missing__(self, value: str) -> int:
        row = 1 + hashed(value) % self._oov
        if len(self) < self._most and len(value) <= LONGEST:
            self[value] = row
        return row


def hashed(value: str) -> int:
    """Return a number of 64 bits that is the same on every machine and in every version."""
    hasher = HASHER.copy()
    hasher.update(value.encode("utf-8", "surrogatepass"))
    return int.from_bytes(hasher.digest(), "little")
