"""Observations that are told to Prometheus' client later, many at once.

Its client writes each observation of a histogram to a file that is mapped into memory, twice, under a lock: some 2 us.
Kept in a list and told four times a second, an observation costs a tenth of that. Whoever reads in this process tells
first, `tell_all`; other workers' are at most `TELL_S` old.
"""

import asyncio
from bisect import bisect_left
from collections import Counter as Tally
from typing import Protocol

from prometheus_client import Counter, Gauge, Histogram

TELL_S = 0.25


class _Late(Protocol):
    def tell(self) -> None:
        """Tell what was observed since the last time."""


class _Teller:
    """Those that have something to tell, and the timer at which they do."""

    def __init__(self) -> None:
        self._waiting: list[_Late] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, late: _Late) -> None:
        self._waiting.append(late)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nothing would call back
            self.tell()
            return
        if loop is not self._loop:
            self._loop = loop
            loop.call_later(TELL_S, self.tell)

    def tell(self) -> None:
        waiting, self._waiting, self._loop = self._waiting, [], None
        for late in waiting:
            late.tell()


_TELLER = _Teller()
tell_all = _TELLER.tell


class LateHistogram:
    """A histogram of one set of labels."""

    __slots__ = ("_child", "_values")

    def __init__(self, child: Histogram) -> None:
        self._child = child
        self._values: list[float] = []

    def observe(self, value: float) -> None:
        """Observe a value."""
        self._values.append(value)
        if len(self._values) == 1:
            _TELLER.add(self)

    def tell(self) -> None:
        """Add what was observed to sum and buckets, once each; `Histogram.observe` does so for each value."""
        values, self._values = self._values, []
        bounds = self._child._upper_bounds
        self._child._sum.inc(sum(values))
        for bucket, count in Tally(bisect_left(bounds, value) for value in values).items():
            self._child._buckets[bucket].inc(count)


class LateCounter:
    """A counter of one set of labels."""

    __slots__ = ("_amount", "_child")

    def __init__(self, child: Counter) -> None:
        self._child = child
        self._amount = 0

    def inc(self, amount: int = 1) -> None:
        """Count more."""
        first, self._amount = not self._amount, self._amount + amount
        if first:
            _TELLER.add(self)

    def tell(self) -> None:
        """Add what was counted."""
        amount, self._amount = self._amount, 0
        self._child.inc(amount)


class LateGauge:
    """A gauge of one set of labels, which goes up and down; several of them may share it."""

    __slots__ = ("_amount", "_child", "_waits")

    def __init__(self, child: Gauge) -> None:
        self._child = child
        self._waits = False
        self._amount = 0

    def inc(self, amount: int) -> None:
        """Add to the value, or take from it."""
        self._amount += amount
        if not self._waits:
            self._waits = True
            _TELLER.add(self)

    def tell(self) -> None:
        """Add what came together."""
        amount, self._amount, self._waits = self._amount, 0, False
        self._child.inc(amount)
