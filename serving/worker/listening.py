"""The socket on which a worker listens, and how to stop listening without losing a connection.

BentoML's supervisor opens the socket and keeps it open while its workers end; they share it. So the kernel goes on
taking connections that no worker accepts any more, and resets them when the supervisor ends at last. The last worker
to leave therefore ends the listening itself, for every process that holds the socket: connections are then refused,
which a client or a balancer can answer by going elsewhere.
"""

import ctypes
import fcntl
import os
import socket
import struct
from contextlib import suppress

import click

DROP_SYN = (
    (0x30, 0, 0, 13),  # load byte 13 of the TCP header, its flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN without ACK, a wish for a new connection: next line, else skip it
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # take
)
"""Classic BPF, as `man 7 socket` has it: (operation, jump if true, jump if false, operand)."""
SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27


class Listener:
    """A listening socket that is shared with other workers.

    Every worker that accepts on it holds a shared lock on it (a POSIX record lock: of the process, on the socket's
    inode, given up by the kernel when the process ends), so that one of them can find out that it is the last.
    """

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening
        with suppress(OSError):  # no filter is attached, unless a worker ended here before
            listening.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        self._lock(fcntl.LOCK_SH)

    @classmethod
    def of_worker(cls) -> "Listener | None":
        """Return the TCP socket that BentoML gave to this worker; None where it gave none, as in tests."""
        context = click.get_current_context(silent=True)
        number = context.params.get("fd") if context is not None else None
        if number is None:
            return None
        listening = socket.socket(fileno=os.dup(number))
        return cls(listening) if listening.family in (socket.AF_INET, socket.AF_INET6) else None

    def leave(self) -> bool:
        """Say that this worker accepts no more; return whether it was the last of those that share the socket."""
        self._lock(fcntl.LOCK_UN)
        return self._lock(fcntl.LOCK_EX)

    def drop_new(self) -> None:
        """Have the kernel overlook new connections, while those that it has already taken can still be accepted.

        Where it knows no filters, a connection that comes between the last accept and `end` is lost.
        """
        program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in DROP_SYN))
        with suppress(OSError):
            self._socket.setsockopt(
                socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(DROP_SYN), ctypes.addressof(program))
            )

    def end(self) -> None:
        """End the listening in every process: new connections are refused. A worker that listens again takes it up."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _lock(self, kind: int) -> bool:
        try:
            fcntl.lockf(self._socket, kind if kind == fcntl.LOCK_UN else kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
