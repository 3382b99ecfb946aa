import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from features.rows import FeatureRow
from serving.batching import Budget
from serving.errors import Code, JubakoError
from serving.scheduler import SOLO_BATCHES, Computed, Scheduler
from tests.serving.fakes import FakeClock, FakeDevice, make_scheduler, token_rows

FAR = 2000.0


class PairsDevice(FakeDevice):
    """Answers each row with two copies of its vector, [rows, 2, outputs]."""

    def compute(self, features: Sequence[FeatureRow], alone: bool) -> Computed:
        computed = super().compute(features, alone)
        return replace(computed, outputs=np.stack([computed.outputs] * 2, axis=1))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def closing() -> Iterator[list[Scheduler]]:
    schedulers: list[Scheduler] = []
    yield schedulers
    for scheduler in schedulers:
        scheduler.close()


async def until(condition: object) -> None:
    """Let the loop and the lanes go on until a callable holds."""
    assert callable(condition)
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("did not happen")


async def test_outputs_come_in_the_order_of_the_rows(clock: FakeClock) -> None:
    scheduler = make_scheduler(FakeDevice(lanes=2), clock)
    rows = [[index] * (1 + index % 7) for index in range(50)]
    done = await scheduler.run(token_rows(rows), FAR)
    assert [float(np.asarray(output)[0]) for output in done.outputs] == [float(sum(row)) for row in rows]
    scheduler.close()


async def test_an_idle_device_takes_a_row_at_once_and_alone(clock: FakeClock) -> None:
    device = FakeDevice(lanes=2)
    scheduler = make_scheduler(device, clock)
    await scheduler.run(token_rows([[1, 2, 3]]), FAR)
    assert device.batches == [[[1, 2, 3]]]
    assert device.alone == [True]
    scheduler.close()


async def test_callers_that_meet_share_the_lanes_until_one_has_been_alone_for_a_while(
    clock: FakeClock, closing: list[Scheduler]
) -> None:
    device = FakeDevice(lanes=2, gated=True)
    scheduler = make_scheduler(device, clock)
    closing.append(scheduler)
    first = asyncio.create_task(scheduler.run(token_rows([[1]]), FAR))
    await until(lambda: device.batches)
    second = asyncio.create_task(scheduler.run(token_rows([[2]]), FAR))
    await asyncio.sleep(0)
    device.gate.set()
    await asyncio.gather(first, second)
    for _ in range(SOLO_BATCHES):
        await scheduler.run(token_rows([[3]]), FAR)
    assert device.alone[:3] == [True, False, False]
    assert device.alone[-1] is True


async def test_rows_that_wait_are_batched(clock: FakeClock, closing: list[Scheduler]) -> None:
    device = FakeDevice(gated=True)
    scheduler = make_scheduler(device, clock)
    closing.append(scheduler)
    calls = [asyncio.create_task(scheduler.run(token_rows([[index] * 10]), FAR)) for index in range(9)]
    await until(lambda: device.batches)
    device.gate.set()
    await asyncio.gather(*calls)
    assert sorted(map(len, device.batches)) == [1, 8]


async def test_a_cancelled_caller_costs_no_compute(clock: FakeClock, closing: list[Scheduler]) -> None:
    device = FakeDevice(gated=True)
    scheduler = make_scheduler(device, clock)
    closing.append(scheduler)
    first = asyncio.create_task(scheduler.run(token_rows([[1]]), FAR))
    await until(lambda: device.batches)
    second = asyncio.create_task(scheduler.run(token_rows([[2]]), FAR))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    device.gate.set()
    await first
    third = await scheduler.run(token_rows([[3]]), FAR)
    assert device.batches == [[[1]], [[3]]]
    assert len(third.outputs) == 1


async def test_rows_handed_over_in_advance_are_dropped_when_their_caller_leaves(
    clock: FakeClock, closing: list[Scheduler]
) -> None:
    device = FakeDevice(gated=True)
    scheduler = make_scheduler(device, clock, budget=Budget(10, 1, 1.1))
    closing.append(scheduler)
    calls = [asyncio.create_task(scheduler.run(token_rows([[index] * 10, [index] * 10]), FAR)) for index in (1, 2)]
    await until(lambda: device.batches)
    calls[0].cancel()
    await asyncio.gather(calls[0], return_exceptions=True)
    device.gate.set()
    await calls[1]
    assert device.batches == [[[1] * 10], [[2] * 10], [[2] * 10]]


async def test_a_deadline_that_has_passed_is_refused_at_admission(clock: FakeClock) -> None:
    device = FakeDevice()
    scheduler = make_scheduler(device, clock)
    with pytest.raises(JubakoError) as caught:
        await scheduler.run(token_rows([[1]]), clock.now - 1)
    assert caught.value.code is Code.DEADLINE
    assert device.batches == []
    scheduler.close()


async def test_a_row_whose_deadline_passes_in_the_queue_never_reaches_the_device(
    clock: FakeClock, closing: list[Scheduler]
) -> None:
    device = FakeDevice(gated=True)
    scheduler = make_scheduler(device, clock)
    closing.append(scheduler)
    first = asyncio.create_task(scheduler.run(token_rows([[1]]), FAR))
    await until(lambda: device.batches)
    late = asyncio.create_task(scheduler.run(token_rows([[2]]), clock.now + 0.5))
    await asyncio.sleep(0)
    clock.now += 1
    device.gate.set()
    await first
    with pytest.raises(JubakoError) as caught:
        await late
    assert caught.value.code is Code.DEADLINE
    assert device.batches == [[[1]]]


async def test_an_answer_that_is_ready_too_late_is_a_deadline_error(clock: FakeClock, closing: list[Scheduler]) -> None:
    device = FakeDevice(gated=True)
    scheduler = make_scheduler(device, clock)
    closing.append(scheduler)
    call = asyncio.create_task(scheduler.run(token_rows([[1]]), clock.now + 5))
    await until(lambda: device.batches)
    clock.now += 6
    device.gate.set()
    with pytest.raises(JubakoError) as caught:
        await call
    assert caught.value.code is Code.DEADLINE


async def test_a_deadline_is_answered_even_while_the_device_hangs(closing: list[Scheduler]) -> None:
    device = FakeDevice(gated=True)
    clock = FakeClock()
    scheduler = make_scheduler(device, clock)
    closing.append(scheduler)
    with pytest.raises(JubakoError) as caught:
        await scheduler.run(token_rows([[1]]), clock.now + 0.05)
    assert caught.value.code is Code.DEADLINE
    device.gate.set()


async def test_poison_fails_alone(clock: FakeClock) -> None:
    device = FakeDevice(lanes=2, poison=666)
    scheduler = make_scheduler(device, clock)
    rows = [[index, index] for index in range(8)]
    rows[5] = [666, 5]
    done = await scheduler.run(token_rows(rows), FAR)
    failed = [index for index, output in enumerate(done.outputs) if isinstance(output, JubakoError)]
    assert failed == [5]
    scheduler.close()


async def test_vectors_that_are_not_finite_are_errors_of_their_row(clock: FakeClock) -> None:
    scheduler = make_scheduler(FakeDevice(), clock)
    done = await scheduler.run(token_rows([[1], [2**200], [3]]), FAR)
    assert [isinstance(output, JubakoError) for output in done.outputs] == [False, True, False]
    scheduler.close()


async def test_outputs_of_two_axes_are_passed_on_and_checked_row_by_row(clock: FakeClock) -> None:
    scheduler = make_scheduler(PairsDevice(), clock)
    done = await scheduler.run(token_rows([[1], [2**200], [3]]), FAR)
    assert [isinstance(output, JubakoError) for output in done.outputs] == [False, True, False]
    assert np.asarray(done.outputs[2]).tolist() == [[3, 1], [3, 1]]
    scheduler.close()


async def test_a_full_queue_refuses_and_says_when_to_come_back(clock: FakeClock, closing: list[Scheduler]) -> None:
    device = FakeDevice(gated=True)
    scheduler = make_scheduler(device, clock, max_tokens=20)
    closing.append(scheduler)
    held = asyncio.create_task(scheduler.run(token_rows([[1] * 25]), FAR))
    await until(lambda: device.batches)
    with pytest.raises(JubakoError) as caught:
        await scheduler.run(token_rows([[1]]), FAR)
    assert caught.value.code is Code.OVERLOADED
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s >= 1
    device.gate.set()
    await held
    assert len((await scheduler.run(token_rows([[1]]), FAR)).outputs) == 1


async def test_tokens_of_cancelled_and_late_requests_are_given_back(clock: FakeClock, closing: list[Scheduler]) -> None:
    device = FakeDevice(gated=True)
    scheduler = make_scheduler(device, clock, max_tokens=20)
    closing.append(scheduler)
    cancelled = asyncio.create_task(scheduler.run(token_rows([[1] * 30]), FAR))
    await until(lambda: device.batches)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    with pytest.raises(JubakoError):
        await scheduler.run(token_rows([[1] * 30]), clock.now + 0.02)
    device.gate.set()
    assert len((await scheduler.run(token_rows([[1] * 30]), FAR)).outputs) == 1


async def test_every_lane_is_kept_busy_and_one_batch_is_ready(clock: FakeClock, closing: list[Scheduler]) -> None:
    device = FakeDevice(lanes=2, gated=True)
    scheduler = make_scheduler(device, clock, budget=Budget(10, 1, 1.1))
    closing.append(scheduler)
    calls = [
        asyncio.create_task(scheduler.run(token_rows([[index] * 10 for _ in range(3)]), FAR)) for index in range(4)
    ]
    await until(lambda: len(device.batches) == 2)
    await asyncio.sleep(0.02)
    assert len(device.batches) == 2
    device.gate.set()
    await asyncio.gather(*calls)
    assert len(device.batches) == 12
    assert not any(device.alone)
