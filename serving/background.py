"""Work that must not take the processor from requests."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

NICENESS = 10
"""Of 19: a tenth of a busy core's time beside a thread of ordinary priority."""

ResultT = TypeVar("ResultT")


_BESIDE_REQUESTS: ContextVar[bool] = ContextVar("beside_requests", default=False)


@contextmanager
def beside_requests() -> Iterator[None]:
    """Load something in a process that serves already: what can wait does."""
    token = _BESIDE_REQUESTS.set(True)
    try:
        yield
    finally:
        _BESIDE_REQUESTS.reset(token)


def at_low_priority(work: Callable[[], ResultT]) -> ResultT:
    """Do work in a thread of low priority, and return its result.

    Only beside requests, that is: a process that starts serves nobody yet, and is waited for.

    The thread is one of its own: priority is of a thread on Linux, is inherited by threads that it starts, and is not
    raised again without privileges. So sessions, which start threads that serve later, are not opened here.
    """
    if not _BESIDE_REQUESTS.get():
        return work()
    with ThreadPoolExecutor(1, thread_name_prefix="quiet", initializer=_yield_to_others) as thread:
        return thread.submit(work).result()


def _yield_to_others() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
