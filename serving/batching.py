"""The batching policy, and nothing else: which waiting rows form the next micro-batch.

A pure data structure: no clock, no tasks, no model. Rows wait in buckets of like length. A micro-batch is seeded by the
oldest waiting row, so no bucket can starve, and grows by the neighbours that pad it least, until it would pass the
token budget, the row limit or the padding ratio.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

BUCKETS_PER_OCTAVE = 8
"""Rows of one bucket differ in length by at most 2^(1/8), nine percent."""

SPARED_DEAD = 64
"""Dead rows that are left where they are: sweeping for fewer is not worth its time."""


class Waiting(Protocol):
    """What the policy needs to know of a row."""

    tokens: int
    """Length of the row."""
    sequence: int
    """Place in the order of arrival."""

    @property
    def dead(self) -> bool:
        """Whether nobody waits for the row any more."""


RowT = TypeVar("RowT", bound=Waiting)


@dataclass(frozen=True)
class Budget:
    """Bounds of one micro-batch."""

    tokens: int
    """Padded tokens: rows times the longest row. A single longer row still goes, alone."""
    rows: int
    padding_ratio: float
    """Padded tokens / real tokens."""


class WaitingRoom(Generic[RowT]):
    """Rows that wait for the device, in buckets of like length."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._buckets: dict[int, deque[RowT]] = {}
        self._died = 0

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def add(self, row: RowT) -> None:
        """Let a row wait."""
        self._buckets.setdefault(bucket_of(row.tokens), deque()).append(row)

    def note_dead(self, rows: int) -> None:
        """Note that so many rows have died, waiting here or not.

        A cut drops the dead it meets; while nothing is cut they would pile up, as callers come and go. So the room is
        swept when they may be half of it, which costs each of them a constant share.
        """
        self._died += rows
        if self._died > SPARED_DEAD + len(self) / 2:
            self._sweep()

    def cut(self) -> list[RowT]:
        """Take the next micro-batch out of the room; empty when nobody alive waits."""
        self._drop_dead_heads()
        if not self._buckets:
            return []
        seed_at = min(self._buckets, key=lambda at: self._buckets[at][0].sequence)
        draft = _Draft(self.budget, self._take(seed_at))
        while mates := [at for at in self._neighbours(seed_at) if draft.admits(self._buckets[at][0])]:
            at = min(mates, key=lambda at: draft.padding_ratio_with(self._buckets[at][0]))
            draft.add(self._take(at))
        return draft.rows

    def _take(self, at: int) -> RowT:
        row = self._buckets[at].popleft()
        self._drop_dead_head(at)
        return row

    def _neighbours(self, seed_at: int) -> list[int]:
        """Return the nearest bucket that still has rows on each side of the seed; its own counts as shorter."""
        shorter = max((at for at in self._buckets if at <= seed_at), default=None)
        longer = min((at for at in self._buckets if at > seed_at), default=None)
        return [at for at in (shorter, longer) if at is not None]

    def _sweep(self) -> None:
        swept = {at: deque(row for row in bucket if not row.dead) for at, bucket in self._buckets.items()}
        self._buckets = {at: bucket for at, bucket in swept.items() if bucket}
        self._died = 0

    def _drop_dead_heads(self) -> None:
        for at in list(self._buckets):
            self._drop_dead_head(at)

    def _drop_dead_head(self, at: int) -> None:
        bucket = self._buckets[at]
        while bucket and bucket[0].dead:
            bucket.popleft()
        if not bucket:
            del self._buckets[at]


class _Draft(Generic[RowT]):
    """A micro-batch that is still growing."""

    def __init__(self, budget: Budget, seed: RowT) -> None:
        self.rows = [seed]
        self._budget = budget
        self._width = seed.tokens
        self._tokens = seed.tokens

    def padding_ratio_with(self, row: RowT) -> float:
        return self._padded_with(row) / (self._tokens + row.tokens)

    def admits(self, row: RowT) -> bool:
        return (
            len(self.rows) < self._budget.rows
            and self._padded_with(row) <= self._budget.tokens
            and self.padding_ratio_with(row) <= self._budget.padding_ratio
        )

    def add(self, row: RowT) -> None:
        self.rows.append(row)
        self._width = max(self._width, row.tokens)
        self._tokens += row.tokens

    def _padded_with(self, row: RowT) -> int:
        return (len(self.rows) + 1) * max(self._width, row.tokens)


def bucket_of(tokens: int) -> int:
    """Return the index of the bucket for rows of this length."""
    return int(BUCKETS_PER_OCTAVE * math.log2(max(tokens, 1)))
