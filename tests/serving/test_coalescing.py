import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.coalescing import Coalescer


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


class Doubling:
    """Doubles numbers, a call at a time, once its gate is open; refuses seven."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.gate = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.calls.append(list(items))
        assert self.gate.wait(10)
        if 7 in items:
            raise ValueError("seven")
        return [2 * item for item in items]


async def test_what_arrives_while_the_thread_is_busy_goes_together(threads: ThreadPoolExecutor) -> None:
    double = Doubling()
    coalescer: Coalescer[int, int] = Coalescer(double, threads)
    calls = [asyncio.create_task(coalescer(item)) for item in range(5)]
    await asyncio.sleep(0.02)
    double.gate.set()
    assert await asyncio.gather(*calls) == [0, 2, 4, 6, 8]
    assert double.calls == [[0], [1, 2, 3, 4]]


async def test_a_bad_item_fails_alone(threads: ThreadPoolExecutor) -> None:
    double = Doubling()
    coalescer: Coalescer[int, int] = Coalescer(double, threads)
    calls = [asyncio.create_task(coalescer(item)) for item in (1, 6, 7, 8)]
    await asyncio.sleep(0.02)
    double.gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert results[:2] == [2, 12]
    assert isinstance(results[2], ValueError)
    assert results[3] == 16


async def test_an_item_whose_caller_left_is_not_computed(threads: ThreadPoolExecutor) -> None:
    double = Doubling()
    coalescer: Coalescer[int, int] = Coalescer(double, threads)
    calls = [asyncio.create_task(coalescer(item)) for item in (1, 2, 3)]
    await asyncio.sleep(0.02)
    calls[1].cancel()
    await asyncio.sleep(0)
    double.gate.set()
    assert [await calls[0], await calls[2]] == [2, 6]
    assert double.calls == [[1], [3]]


async def test_calls_are_bounded_in_items_and_in_number(threads: ThreadPoolExecutor) -> None:
    double = Doubling()
    coalescer: Coalescer[int, int] = Coalescer(double, threads, workers=2, max_items=3)
    calls = [asyncio.create_task(coalescer(item)) for item in range(10, 18)]
    await asyncio.sleep(0.02)
    assert len(double.calls) == 2
    double.gate.set()
    assert await asyncio.gather(*calls) == [2 * item for item in range(10, 18)]
    assert max(map(len, double.calls)) == 3
