"""Natural batching for a function that runs in threads: whatever arrives while it is busy goes together next.

No timer and no polling. An item that finds a thread idle leaves at once; under load the hops between event loop and
threads are paid once per batch instead of once per item.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

from serving.handover import to_loop

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_Waiter = tuple[ItemT, asyncio.Future[ResultT]]


class Coalescer(Generic[ItemT, ResultT]):
    """Calls `function` with lists of items in an executor, at most `workers` calls at once.

    Used from one event loop only. When a call with several items raises, each of them is tried alone, so that one bad
    item fails alone.
    """

    def __init__(
        self,
        function: Callable[[Sequence[ItemT]], Sequence[ResultT]],
        executor: Executor,
        workers: int = 1,
        max_items: int = 256,
    ) -> None:
        self._function = function
        self._executor = executor
        self._free = workers
        self._max_items = max_items
        self._waiting: deque[_Waiter[ItemT, ResultT]] = deque()

    async def __call__(self, item: ItemT) -> ResultT:
        """Return what `function` gives for this item."""
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._start()
        return await future

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        while self._free and (batch := self._next_batch()):
            self._free -= 1
            job = self._executor.submit(_results, self._function, [item for item, _ in batch])
            job.add_done_callback(lambda job, batch=batch: to_loop(loop, self._finish, batch, job))  # type: ignore[misc]

    def _next_batch(self) -> list[_Waiter[ItemT, ResultT]]:
        batch: list[_Waiter[ItemT, ResultT]] = []
        while self._waiting and len(batch) < self._max_items:
            waiter = self._waiting.popleft()
            if not waiter[1].done():
                batch.append(waiter)
        return batch

    def _finish(self, batch: list[_Waiter[ItemT, ResultT]], job: "Future[Sequence[ResultT | Exception]]") -> None:
        self._free += 1
        _settle(batch, job.result())
        self._start()


class InPlace(Generic[ItemT, ResultT]):
    """Calls `function` on the event loop, with whatever arrives in one turn of it.

    An item that costs less than the way to a thread and back, and the wait for the interpreter's lock on it, is sooner
    done on the spot. Of a turn's items no more than `max_weight` is; the rest is left to `beside`.
    """

    def __init__(
        self,
        function: Callable[[Sequence[ItemT]], Sequence[ResultT]],
        beside: Coalescer[ItemT, ResultT] | None = None,
        weigh: Callable[[ItemT], float] = lambda item: 1,
        max_weight: float = math.inf,
    ) -> None:
        self._function = function
        self._beside = beside
        self._weigh = weigh
        self._max_weight = max_weight
        self._waiting: list[_Waiter[ItemT, ResultT]] = []
        self._weight = 0.0

    async def __call__(self, item: ItemT) -> ResultT:
        """Return what `function` gives for this item."""
        weight = self._weigh(item)
        if self._beside is not None and self._weight + weight > self._max_weight:
            return await self._beside(item)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._call)
        self._waiting.append((item, future))
        self._weight += weight
        return await future

    def _call(self) -> None:
        batch, self._waiting, self._weight = [one for one in self._waiting if not one[1].done()], [], 0.0
        if batch:
            _settle(batch, _results(self._function, [item for item, _ in batch]))


def _results(
    function: Callable[[Sequence[ItemT]], Sequence[ResultT]], items: list[ItemT]
) -> Sequence[ResultT | Exception]:
    """Call the function with all items, or with each alone when one of them makes it raise."""
    try:
        return function(items)
    except Exception as error:
        if len(items) == 1:
            return [error]
        return [result for item in items for result in _results(function, [item])]


def _settle(batch: list[_Waiter[ItemT, ResultT]], results: Sequence[ResultT | Exception]) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
