"""An epoch's batches: a pure function of seed, epoch, step and rank, prepared ahead by one worker thread."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from training.errors import TrainingError
from training.recipe import Recipe
from training.reproducible import generator_of

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """What one process computes of a step."""

    batch: Any
    """What the recipe collated."""
    rows: int
    """Rows of the whole step, over all processes."""
    weight: float
    """Factor by which this process's mean counts, so that the mean over processes is the mean over rows."""


class Batches:
    """The steps of every epoch, for one of `world` processes that share each batch."""

    def __init__(self, recipe: Recipe[Any], rank: int = 0, world: int = 1) -> None:
        self._recipe = recipe
        self._rank, self._world = rank, world
        self._settings = recipe.config.training
        self.steps = -(-recipe.rows // self._settings.batch_rows)
        """Steps of an epoch."""
        if self.steps == 0:
            raise TrainingError("there are no training rows; look at the data and its filters")

    def epoch(self, epoch: int, skip: int = 0) -> Generator[Share, None, None]:
        """Yield this process's shares of an epoch's steps, after the first `skip`.

        Raises:
            TrainingError: the recipe's order does not hold as many rows as the recipe has.
        """
        order = self._recipe.order(generator_of(self._recipe.config.seed, "order", epoch))  # [rows]
        if order.shape != (self._recipe.rows,):
            raise TrainingError(
                f"the order of an epoch has shape {tuple(order.shape)}, the recipe {self._recipe.rows} rows"
            )
        chunks = torch.split(order, self._settings.batch_rows)

        def share(step: int) -> Share:
            return self._share(chunks[step], epoch, step)

        return ahead(share, range(skip, self.steps), self._settings.prefetch_batches)

    def _share(self, rows: Tensor, epoch: int, step: int) -> Share:
        generator = generator_of(self._recipe.config.seed, "batch", epoch, step, self._rank)
        mine = rows[self._rank :: self._world]
        weight = len(mine) * self._world / len(rows)
        # A process without rows computes one anyway, with no weight: all have to take part in the backward pass.
        return Share(self._recipe.batch(mine if len(mine) else rows[:1], generator), len(rows), weight)


def ahead(make: Callable[[int], T], numbers: range, depth: int) -> Generator[T, None, None]:
    """Yield `make(number)` in order, up to `depth` of them made ahead in one worker thread."""
    if depth == 0:
        yield from map(make, numbers)
        return
    pending: deque[Future[T]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as worker:
        try:
            for number in numbers:
                pending.append(worker.submit(make, number))
                if len(pending) > depth:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
