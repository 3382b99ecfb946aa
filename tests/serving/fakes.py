"""A device that computes when it is told to, and a clock that is wound by hand."""

import threading
from collections.abc import Sequence

import numpy as np

from features.rows import FeatureRow
from serving.admission import Admission
from serving.batching import Budget
from serving.scheduler import Computed, Scheduler
from serving.telemetry.metrics import QueueMetrics, SchedulerMetrics


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeDevice:
    """Answers each row with a vector of its ids' sum. With `gated`, micro-batches wait until `gate` is set."""

    def __init__(self, lanes: int = 1, poison: int | None = None, gated: bool = False) -> None:
        self.lanes = lanes
        self.batches: list[list[list[int]]] = []
        self.alone: list[bool] = []
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self._poison = poison
        if not gated:
            self.gate.set()

    def compute(self, features: Sequence[FeatureRow], alone: bool) -> Computed:
        rows = [row.arrays["input_ids"].tolist() for row in features]
        self.batches.append(rows)
        self.alone.append(alone)
        self.begun.release()
        assert self.gate.wait(10)
        if any(self._poison in row for row in rows):
            raise RuntimeError("poison")
        outputs = np.array([[sum(row), len(row)] for row in rows], dtype=np.float32)
        return Computed(outputs, len(rows) * max(map(len, rows)), 0.001)


def token_rows(ids: Sequence[Sequence[int]]) -> list[FeatureRow]:
    return [FeatureRow({"input_ids": np.array(row)}, len(row)) for row in ids]


def make_scheduler(
    device: FakeDevice, clock: FakeClock, max_tokens: int = 10_000, budget: Budget | None = None
) -> Scheduler:
    admission = Admission(max_tokens, QueueMetrics("fake"))
    return Scheduler(device, budget or Budget(1000, 8, 1.1), admission, SchedulerMetrics("fake"), clock)
