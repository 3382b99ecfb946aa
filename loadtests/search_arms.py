"""What searches a catalogue in the benchmark of searching: plain numpy, and an index behind its scheduler."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serving.index.search import Search

Vectors = NDArray[np.float32]  # [rows, dimensions]

INTRINSIC = 32
"""Independent directions of the drawn vectors; the others only carry noise, as in what towers learn."""
NOISE = 0.3
"""Share of the noise in a coordinate's spread."""
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Question:
    """One user: a query and what he has seen."""

    query: NDArray[np.float32]  # [dimensions]
    seen: NDArray[np.int64]  # [seen]


class Arm(Protocol):
    """Something that answers questions."""

    title: str

    async def answer(self, question: Question, depth: int) -> NDArray[np.int64]:
        """Return the positions of the best items, best first."""


class PlainNumpy:
    """Matrix times vector and a partial sort, without exclusions: the least that a search can be."""

    def __init__(self, vectors: Vectors) -> None:
        self.title = "numpy, one by one"
        self._vectors = np.array(vectors)  # [items, dimensions], in memory

    async def answer(self, question: Question, depth: int) -> NDArray[np.int64]:
        """Return the positions of the best items, best first."""
        scores = self._vectors @ question.query  # [items]
        at = np.argpartition(scores, len(scores) - depth)[len(scores) - depth :]
        best: NDArray[np.int64] = at[np.argsort(-scores[at])]
        return best


class Indexed:
    """An index as it is served; what was seen is excluded."""

    def __init__(self, title: str, search: Search) -> None:
        self.title = title
        self.search = search

    async def answer(self, question: Question, depth: int) -> NDArray[np.int64]:
        """Return the positions of the best items, best first."""
        deadline = time.monotonic() + PATIENCE_S
        found = await self.search.top(question.query, depth, excluded=question.seen, deadline=deadline)
        return found.positions


def draw_vectors(rng: np.random.Generator, rows: int, dimensions: int, basis: Vectors) -> Vectors:
    """Draw vectors of unit length from the space that `basis` [INTRINSIC, dimensions] spans, with noise around it."""
    vectors = rng.standard_normal((rows, len(basis)), dtype=np.float32) @ basis  # [rows, dimensions]
    vectors += np.float32(NOISE * np.sqrt(len(basis))) * rng.standard_normal((rows, dimensions), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def draw_basis(rng: np.random.Generator, dimensions: int) -> Vectors:
    """Draw the directions that vectors lie in."""
    return rng.standard_normal((INTRINSIC, dimensions), dtype=np.float32)


def draw_questions(rng: np.random.Generator, queries: Vectors, items: int, seen: int) -> list[Question]:
    """Give each query [dimensions] a user who has seen so many items."""
    return [Question(query, rng.integers(0, items, seen)) for query in queries]


async def time_alone(arm: Arm, questions: Sequence[Question], depth: int) -> list[float]:
    """Return the milliseconds of each question, asked one after the other."""
    taken = []
    for question in questions:
        begin = time.perf_counter()
        await arm.answer(question, depth)
        taken.append((time.perf_counter() - begin) * 1e3)
    return taken


async def count_answers(
    arm: Arm, questions: Sequence[Question], depth: int, callers: int, seconds: float
) -> tuple[float, list[float]]:
    """Return answers per second, and the milliseconds of each, with `callers` that each ask again when answered."""
    begin = time.perf_counter()
    taken: list[float] = []

    async def ask(place: int) -> None:
        while (asked := time.perf_counter()) < begin + seconds:
            await arm.answer(questions[place % len(questions)], depth)
            taken.append((time.perf_counter() - asked) * 1e3)
            place += callers

    await asyncio.gather(*(ask(place) for place in range(callers)))
    return len(taken) / (time.perf_counter() - begin), taken
