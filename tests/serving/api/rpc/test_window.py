import asyncio
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.api.rpc.window import FIRST_ROWS, LEAST_ROWS, Patience, Window
from serving.errors import Code, JubakoError


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_window_that_is_full_lets_nothing_in_until_something_leaves() -> None:
    window = Window(10, 1.0)
    await window.enter(6)
    entering = asyncio.create_task(window.enter(5))
    await settled()
    assert not entering.done()
    window.leave(6)
    await asyncio.wait_for(entering, 1)
    assert window.held == 5


async def test_a_request_larger_than_the_window_goes_alone() -> None:
    window = Window(10, 1.0)
    await window.enter(2000)
    entering = asyncio.create_task(window.enter(1))
    await settled()
    assert not entering.done()
    window.leave(2000)
    await asyncio.wait_for(entering, 1)


def test_it_grows_while_answers_are_fast_and_shrinks_while_they_are_slow() -> None:
    window = Window(1000, 1.0)
    for _ in range(100):
        window.answered(100, 0.2)
    assert window.rows == 1000
    for _ in range(10):
        window.answered(100, 1.5)
    assert window.rows == 750
    for _ in range(1000):
        window.answered(100, 1.5)
    assert window.rows == LEAST_ROWS


@given(st.integers(LEAST_ROWS, 5000), st.lists(st.tuples(st.integers(1, 3000), st.floats(0, 5))))
def test_it_stays_within_its_bounds(most: int, answers: list[tuple[int, float]]) -> None:
    window = Window(most, 1.0)
    assert window.rows == min(FIRST_ROWS, most)
    for rows, seconds in answers:
        window.answered(rows, seconds)
        assert LEAST_ROWS <= window.rows <= most


@pytest.mark.parametrize("rows_per_s", [5.0, 300.0, 3000.0])
def test_it_comes_to_what_the_device_does_in_the_time(rows_per_s: float) -> None:
    """A device that works off rows in turn: with so many on their way, a row takes rows / rate."""
    window = Window(100_000, 1.0)
    seen = []
    for _ in range(20_000):
        window.answered(1, window.rows / rows_per_s)
        seen.append(window.rows)
    assert 0.5 * rows_per_s <= max(seen[-1000:]) <= max(2 * rows_per_s, LEAST_ROWS)


class Queue:
    """Refuses while it is full."""

    def __init__(self, retry_after_s: float = 60.0) -> None:
        self.full = True
        self.asked = 0
        self.retry_after_s = retry_after_s

    async def __call__(self) -> str:
        self.asked += 1
        if self.full:
            raise JubakoError(Code.OVERLOADED, "full", retry_after_s=self.retry_after_s)
        return "answer"


async def test_a_refused_request_tries_again_when_the_stream_has_made_room() -> None:
    patience, queue = Patience(), Queue()
    waiting = [asyncio.create_task(patience.ask(queue, 1, monotonic() + 60)) for _ in range(3)]
    await settled()
    assert queue.asked == 3
    queue.full = False
    await patience.ask(queue, 1, monotonic() + 60)
    assert await asyncio.wait_for(asyncio.gather(*waiting), 1) == ["answer"] * 3


async def test_without_room_of_its_own_it_comes_back_when_it_was_told_to() -> None:
    patience, queue = Patience(), Queue(retry_after_s=0.02)
    waiting = asyncio.create_task(patience.ask(queue, 1, monotonic() + 60))
    await asyncio.sleep(0.05)
    assert 2 <= queue.asked <= 4
    queue.full = False
    assert await asyncio.wait_for(waiting, 1) == "answer"


async def test_a_full_queue_is_told_once_the_deadline_has_passed() -> None:
    with pytest.raises(JubakoError) as caught:
        await Patience().ask(Queue(), 1, monotonic() + 0.03)
    assert caught.value.code is Code.OVERLOADED


async def test_a_cancelled_request_waits_no_more() -> None:
    patience, queue = Patience(), Queue()
    waiting = [asyncio.create_task(patience.ask(queue, 1, monotonic() + 60)) for _ in range(2)]
    await settled()
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    queue.full = False
    await patience.ask(queue, 1, monotonic() + 60)
    assert await asyncio.wait_for(waiting[1], 1) == "answer"


async def test_other_errors_are_told_at_once() -> None:
    async def late() -> None:
        raise JubakoError(Code.DEADLINE, "late")

    with pytest.raises(JubakoError):
        await Patience().ask(late, 1, monotonic() + 60)
