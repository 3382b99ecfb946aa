import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.coalescing import Coalescer, InPlace


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


class Here:
    """Doubles numbers and remembers in which thread; refuses seven."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.threads: list[threading.Thread] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.calls.append(list(items))
        self.threads.append(threading.current_thread())
        if 7 in items:
            raise ValueError("seven")
        return [2 * item for item in items]


async def test_what_arrives_in_one_turn_of_the_loop_goes_together_on_the_loop() -> None:
    double = Here()
    here: InPlace[int, int] = InPlace(double)
    assert await asyncio.gather(*(here(item) for item in range(4))) == [0, 2, 4, 6]
    assert await here(5) == 10
    assert double.calls == [[0, 1, 2, 3], [5]]
    assert set(double.threads) == {threading.current_thread()}


async def test_what_is_too_heavy_for_a_turn_is_done_beside_the_loop(threads: ThreadPoolExecutor) -> None:
    double = Here()
    here: InPlace[int, int] = InPlace(double, Coalescer(double, threads), weigh=float, max_weight=10)
    assert await asyncio.gather(*(here(item) for item in (4, 100, 5, 6))) == [8, 200, 10, 12]
    on_the_loop = [
        call for call, at in zip(double.calls, double.threads, strict=True) if at is threading.current_thread()
    ]
    assert on_the_loop == [[4, 5]]
    assert await here(6) == 12  # the next turn has room again
    assert double.calls[-1] == [6]
    assert double.threads[-1] is threading.current_thread()


async def test_a_bad_item_of_a_turn_fails_alone() -> None:
    here: InPlace[int, int] = InPlace(Here())
    results = await asyncio.gather(*(here(item) for item in (1, 7, 2)), return_exceptions=True)
    assert (results[0], results[2]) == (2, 4)
    assert isinstance(results[1], ValueError)


async def test_a_turn_s_item_whose_caller_left_is_not_computed() -> None:
    double = Here()
    here: InPlace[int, int] = InPlace(double)
    calls = [asyncio.create_task(here(item)) for item in (1, 2)]
    await asyncio.sleep(0)
    calls[0].cancel()
    assert await calls[1] == 4
    assert double.calls in ([[2]], [[1, 2]])
