"""Time in headers: what a caller allows, and where it went."""

from typing import Protocol

from serving.api.asgi import Request
from serving.errors import Code, JubakoError


class Timed(Protocol):
    """What knows how long each stage of a request took, in seconds."""

    @property
    def encode_s(self) -> float:
        """Reading and encoding inputs."""

    @property
    def queue_s(self) -> float:
        """Waiting for the device."""

    @property
    def compute_s(self) -> float:
        """Computing."""


def timeout_ms(request: Request) -> float | None:
    """Return the caller's own time limit, from `x-request-timeout-ms`.

    Raises:
        JubakoError: `invalid_value` when it is not a positive number.
    """
    given = request.header(b"x-request-timeout-ms")
    if given is None:
        return None
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise JubakoError(
            Code.INVALID_VALUE,
            f"x-request-timeout-ms must be a positive number, not {given!r}",
            param="x-request-timeout-ms",
        )
    return value


def server_timing(timed: Timed) -> tuple[bytes, bytes]:
    """Return the Server-Timing header: milliseconds in each stage."""
    stages = (timed.encode_s * 1e3, timed.queue_s * 1e3, timed.compute_s * 1e3)
    return b"server-timing", b"tokenize;dur=%.2f, queue;dur=%.2f, compute;dur=%.2f" % stages
