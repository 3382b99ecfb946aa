import asyncio
import os
import sys
import threading

import pytest

from serving.background import NICENESS, at_low_priority, beside_requests


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priority is of a process")
async def test_work_has_a_low_priority_and_whoever_waits_keeps_theirs() -> None:
    def both() -> tuple[int, int, int]:
        with beside_requests():
            return priority(), at_low_priority(priority), priority()

    before, meanwhile, after = await asyncio.to_thread(both)
    assert meanwhile == max(before, NICENESS)
    assert after == before


def test_a_process_that_starts_does_not_wait_for_others() -> None:
    assert at_low_priority(priority) == priority()
    assert at_low_priority(threading.get_native_id) == threading.get_native_id()


def test_errors_reach_whoever_waits() -> None:
    def fail() -> None:
        raise ValueError("bad")

    with beside_requests(), pytest.raises(ValueError, match="bad"):
        at_low_priority(fail)
