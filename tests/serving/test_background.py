import os
import sys
import threading

import pytest

from serving.background import NICENESS, at_low_priority


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priority is of a process")
def test_work_has_a_low_priority_and_whoever_waits_keeps_theirs() -> None:
    before = priority()
    assert at_low_priority(priority) == max(before, NICENESS)
    assert priority() == before


def test_errors_reach_whoever_waits() -> None:
    def fail() -> None:
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        at_low_priority(fail)
