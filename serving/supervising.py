"""What the supervisor, BentoML's main process, does not do by itself."""

import logging
import signal
import socket
import threading
from time import monotonic

import psutil

from serving.lifecycle import REPEAT_S, SIGNALS

logger = logging.getLogger("bentoml.jubako")


def pass_on_second_signals() -> None:
    """Have a second SIGTERM or Ctrl-C reach the workers, which end at once then.

    The supervisor passes the first one on and is deaf to others until its workers have ended. Its handlers are left
    alone: Python tells signals on a socket, too (`signal.set_wakeup_fd`), and a thread listens there.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    told, tells = socket.socketpair()
    tells.setblocking(False)
    signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(told, tells), name="signals", daemon=True).start()


def _listen(told: socket.socket, tells: socket.socket) -> None:
    """Read the numbers of signals; `tells` is held so that it stays open."""
    first: float | None = None
    while numbers := told.recv(64):
        if not set(numbers).intersection(SIGNALS):
            continue
        now = monotonic()
        if first is None:
            first = now
        elif now - first > REPEAT_S:
            logger.warning("told to stop again: ending the workers")
            for worker in psutil.Process().children():
                worker.send_signal(signal.SIGTERM)
