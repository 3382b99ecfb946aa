"""What the supervisor, BentoML's main process, does not do by itself."""

import logging
import signal
import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import Any

import psutil
from circus.exc import ConflictError
from circus.sighandler import SysHandler

from serving.worker.lifecycle import REPEAT_S, SIGNALS

logger = logging.getLogger("bentoml.jubako")

RESPAWN_S = 1.0
"""Least time between two workers that are replaced at once. One that cannot start is tried again at the supervisor's
own pace, every ten seconds."""


def watch_signals() -> None:
    """Have a second SIGTERM or Ctrl-C reach the workers, and a worker that ended be replaced at once.

    The supervisor passes the first signal on and is deaf to others until its workers have ended; for workers that end
    it looks every ten seconds. Its handlers are left alone: Python tells signals on a socket, too, and a thread listens
    there (`signal.set_wakeup_fd`).
    """
    if threading.current_thread() is not threading.main_thread():
        return
    told, tells = socket.socketpair()
    tells.setblocking(False)
    signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # those without a handler of Python's are not told
    threading.Thread(target=_listen, args=(told, tells), name="signals", daemon=True).start()


def _listen(told: socket.socket, tells: socket.socket) -> None:
    """Read the numbers of signals; `tells` is held so that it stays open."""
    first: float | None = None
    replaced = -RESPAWN_S
    while numbers := told.recv(64):
        now = monotonic()
        if signal.SIGCHLD in numbers and first is None and now - replaced > RESPAWN_S:
            replaced = now
            _replace_workers()
        if not set(numbers).intersection(SIGNALS):
            continue
        if first is None:
            first = now
        elif now - first > REPEAT_S:
            logger.warning("told to stop again: ending the workers")
            for worker in psutil.Process().children():
                worker.send_signal(signal.SIGTERM)


def _replace_workers() -> None:
    """Have the supervisor look after its workers now, in its own thread."""
    handler = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(handler, SysHandler):
        handler.controller.loop.add_callback(_look, handler.controller.arbiter)


async def _look(arbiter: Any) -> None:
    with suppress(ConflictError):  # it is looking, or starts and stops workers
        await arbiter.manage_watchers()
