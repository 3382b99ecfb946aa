"""What the benchmark of searching is asked to do, and what it finds."""

import gc
from dataclasses import dataclass
from typing import Self

import psutil

from loadtests.summary import Spread

SEED = 7
MIB = 2**20


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    items: int
    large: int
    """Items of the approximate index."""
    dimensions: int = 128
    depth: int = 20
    seen: int = 30
    """Items that each user has seen."""
    rounds: int = 5
    questions: int = 200
    """One by one, of each arm in each round."""
    callers: int = 64
    window_s: float = 3.0

    def protocol(self) -> list[str]:
        """Return what was done, for people."""
        return [
            f"best {self.depth} of vectors [items, {self.dimensions}], unit length, of 32 independent directions and "
            f"noise around them, seed {SEED}; queries from the same distribution",
            f"ours: through `Search.top` and its scheduler, {self.seen} seen items excluded; numpy: matrix product and "
            "argpartition, nothing excluded, vectors in memory, its own threads",
            f"{self.rounds} rounds, arms in turn in each: {self.questions} questions one by one, then "
            f"{self.window_s:g} s with {self.callers} callers (numpy: one by one); median (smallest-largest) of rounds",
        ]


@dataclass(frozen=True)
class Memory:
    """Resident memory of this process."""

    anonymous_mib: float
    mapped_mib: float
    """Pages of files, which the system shares between processes and may take back."""

    @classmethod
    def now(cls) -> Self:
        """Return what it has."""
        gc.collect()
        info = psutil.Process().memory_info()
        return cls((info.rss - info.shared) / MIB, info.shared / MIB)

    def since(self, before: "Memory") -> "Memory":
        """Return what has come since."""
        return Memory(self.anonymous_mib - before.anonymous_mib, self.mapped_mib - before.mapped_mib)


@dataclass(frozen=True)
class ArmFigures:
    """One arm over the rounds."""

    title: str
    p50_ms: Spread
    p95_ms: Spread
    p99_ms: Spread
    per_s: Spread
    """Answers with all callers."""
    busy_p50_ms: Spread
    """With all callers."""
    busy_p99_ms: Spread


@dataclass(frozen=True)
class Exact:
    """Exact search beside numpy."""

    items: int
    callers: int
    arms: list[ArmFigures]
    p50_ratio: Spread
    throughput_ratio: Spread
    mean_batch: float
    memory: Memory
    other_cores: float


@dataclass(frozen=True)
class Large:
    """Approximate search beside exact search and numpy."""

    items: int
    callers: int
    arms: list[ArmFigures]
    build_s: float
    protocol: str
    """How the index was tuned."""
    asked: int
    recall: float
    p99_ms: float
    graph_mib: float
    vectors_mib: float
    memory: Memory
    other_cores: float
