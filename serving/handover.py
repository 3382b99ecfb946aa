"""From a thread back to the event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVarTuple

Args = TypeVarTuple("Args")


def to_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[*Args], None], *args: *Args) -> None:
    """Have the loop call `callback`; a loop that was closed meanwhile has nobody left to tell."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback, *args)
