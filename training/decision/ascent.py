"""Coordinate ascent over thresholds: one label at a time takes its best, until none moves.

A label's rows are sorted once. Then all its thresholds are judged together by cumulative sums of what each row changes
when the label passes there: the label's own decision, those of the labels it implies where nothing else implies them,
and the fallback that goes when the row is no longer empty.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.labels import LabelSet
from training.metrics.arrays import Scores, Truth, Values, divide

GAIN = 1e-9
"""A move has to raise the objective by more than floating-point noise."""


class Ascent:
    """The state of a fit on calibrated scores and truth, both [rows, labels].

    Truth may be soft: 0.3 is three tenths of a positive.
    """

    def __init__(self, calibrated: Scores, truth: Truth | Values, label_set: LabelSet, micro_share: float) -> None:
        self._scores, self._truth, self._closure = calibrated, truth.astype(np.float64), label_set.closure
        self._share = micro_share
        self._order = np.argsort(-calibrated, axis=0, kind="stable")  # [rows, labels]
        self._positives = self._truth.sum(axis=0)  # [labels]
        self._occurring = max(1, int((self._positives > 0).sum()))
        nothing = label_set.with_decision(None, [1.0] * truth.shape[1])
        # Halved scores pass no threshold of 1, so that only the fallback acts: what a row gets when no label passes.
        self._fallback = nothing.assign((calibrated / 2).astype(np.float32))  # [rows, labels]

    def climb(self, thresholds: Values, movable: NDArray[np.bool_], rounds: int) -> Values:
        """Return thresholds [labels] that no single move of a `movable` label [labels] improves, or after `rounds`."""
        found = thresholds.copy()
        self._start(found)
        for _ in range(rounds):
            moves = [self._improve(int(at), found) for at in np.flatnonzero(movable)]
            if not any(moves):
                break
        return found

    def _start(self, thresholds: Values) -> None:
        self._own = self._scores >= thresholds.astype(np.float32)  # [rows, labels], before implications
        self._asserted = self._own.astype(np.int32) @ self._closure.astype(np.int32)  # by how many labels, itself too
        self._assigned = self._decide(self._asserted, self._fallback)
        self._hits = (self._assigned * self._truth).sum(axis=0)  # [labels]
        self._given = self._assigned.sum(axis=0, dtype=np.float64)  # [labels]

    def _improve(self, at: int, thresholds: Values) -> bool:
        values = self._values(at)  # [rows + 1], by the number of rows that pass
        ranked = self._scores[self._order[:, at], at]
        allowed = np.append(True, np.append(ranked[1:] < ranked[:-1], True))  # equal scores pass together
        if ranked[0] >= 1:
            allowed[0] = False
        now = int(self._own[:, at].sum())
        best = int(np.argmax(np.where(allowed, values, -np.inf)))
        if values[best] <= values[now] + GAIN:
            return False
        thresholds[at] = _between(ranked, best)
        self._move(at, thresholds[at])
        return True

    def _values(self, at: int) -> Values:
        """Return the part of the objective that depends on the label, for each number of rows that pass."""
        columns = np.flatnonzero(self._closure[at])  # the label and what it implies
        own, truth = self._own[:, at], self._truth[:, columns]
        new = self._asserted[:, columns] == own[:, None]  # [rows, columns]: nothing else asserts them
        empty = self._empty_without(at)
        lost = self._fallback & empty[:, None]  # [rows, labels]: the fallback that goes when the label passes
        given = new.astype(np.float64) - lost[:, columns]  # [rows, columns]
        hits = truth * given
        by_label = divide(
            2 * self._totals(hits, self._hits[columns], at),
            self._totals(given, self._given[columns], at) + self._positives[columns],
        )  # [rows + 1, columns]
        all_hits = (new * truth).sum(axis=1) - (lost * self._truth).sum(axis=1)  # [rows]
        all_given = (new.sum(axis=1) - lost.sum(axis=1)).astype(np.float64)
        micro = divide(
            2 * self._totals(all_hits, self._hits.sum(), at),
            self._totals(all_given, self._given.sum(), at) + self._positives.sum(),
        )  # [rows + 1]
        occurs = self._positives[columns] > 0
        values: Values = self._share * micro + (1 - self._share) * (by_label @ occurs) / self._occurring
        return values

    def _totals(self, changes: Values, now: Any, at: int) -> Values:
        """Turn each row's change, [rows, ...], into totals by the number of rows that pass, [rows + 1, ...]."""
        without = now - changes[self._own[:, at]].sum(axis=0)
        summed = np.cumsum(changes[self._order[:, at]], axis=0)
        totals: Values = without + np.concatenate([np.zeros_like(summed[:1]), summed])
        return totals

    def _empty_without(self, at: int) -> NDArray[np.bool_]:
        others = self._own.sum(axis=1) - self._own[:, at]  # [rows]
        empty: NDArray[np.bool_] = others == 0
        return empty

    def _move(self, at: int, threshold: float) -> None:
        passed = self._scores[:, at] >= np.float32(threshold)
        rows = np.flatnonzero(passed != self._own[:, at])
        self._own[rows, at] = passed[rows]
        step = np.where(passed[rows], 1, -1)[:, None]
        self._asserted[rows] += (step * self._closure[at]).astype(np.int32)
        before, after = self._assigned[rows], self._decide(self._asserted[rows], self._fallback[rows])
        self._hits += (after * self._truth[rows]).sum(axis=0) - (before * self._truth[rows]).sum(axis=0)
        self._given += after.sum(axis=0) - before.sum(axis=0)
        self._assigned[rows] = after

    @staticmethod
    def _decide(asserted: NDArray[np.int32], fallback: NDArray[np.bool_]) -> NDArray[np.bool_]:
        assigned = asserted > 0
        decided: NDArray[np.bool_] = np.where(assigned.any(axis=1, keepdims=True), assigned, fallback)
        return decided


def _between(ranked: Scores, passing: int) -> float:
    """Return a threshold, exact in float32, that the first `passing` of falling scores [rows] pass."""
    above = float(ranked[passing - 1]) if passing else 1.0
    below = float(ranked[passing]) if passing < len(ranked) else 0.0
    middle = float(np.float32((above + below) / 2))
    return middle if below < middle <= above else above
