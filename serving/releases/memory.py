"""Memory that was freed goes back to the system."""

import ctypes
import ctypes.util
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Have the C library return free pages of all its arenas; where it has no such call, nothing happens.

    Weights and arenas of a session are some large blocks among many small ones: without this a part of what a version
    held stays with the process. It takes milliseconds and holds no lock of the interpreter's.
    """
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
