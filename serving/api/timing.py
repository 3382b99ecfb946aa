"""Time in headers: what a caller allows, and where it went."""

from serving.api.asgi import Request
from serving.errors import Code, JubakoError
from serving.model import Result


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


def server_timing(result: Result) -> tuple[bytes, bytes]:
    """Return the Server-Timing header: milliseconds in each stage."""
    stages = (result.encode_s * 1e3, result.queue_s * 1e3, result.compute_s * 1e3)
    return b"server-timing", b"tokenize;dur=%.2f, queue;dur=%.2f, compute;dur=%.2f" % stages
