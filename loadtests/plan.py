"""What a load process is told to do and what it brings back: plain data, to pass between processes."""

import ipaddress
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

NS = 1_000_000_000

LOST = 0
"""Status of a request whose connection broke, or that was never answered."""


@dataclass(frozen=True)
class Request:
    """One request, its body rendered beforehand."""

    body: str
    texts: int
    tokens: int
    """Tokens of all its texts without padding, so that windows with different texts can be compared."""
    path: str | None = None
    """Where it goes; None leaves it to the plan."""


@dataclass(frozen=True)
class Plan:
    """One bounded run of load against one server."""

    port: int
    requests: list[Request]
    """Sent in turn, from the first again after the last."""
    connections: int
    """Closed loop: connections, each with one request under way. Open loop: most connections at once."""
    duration_s: float
    """Length of the measured window."""
    warmup_s: float = 0.5
    """Load before the window, not recorded."""
    grace_s: float = 10.0
    """How long answers may still come in after the window."""
    rate_per_s: float | None = None
    """Poisson arrivals per second (open loop); None for a closed loop."""
    seed: int = 0
    host: str = "127.0.0.1"
    path: str = "/embed"
    method: str = "POST"
    core: int | None = None
    """CPU core to pin the load process to; None leaves it to the system."""

    def __post_init__(self) -> None:
        """Refuse what would not end or would reach another machine."""
        require_loopback(self.host)
        if not self.requests or self.connections < 1 or self.duration_s <= 0:
            raise ValueError("a plan needs at least one request, one connection and a duration above 0 s")
        if self.rate_per_s is not None and self.rate_per_s <= 0:
            raise ValueError(f"rate_per_s is {self.rate_per_s}; an open loop needs a rate above 0")

    def write(self, path: Path) -> None:
        """Write the plan as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a plan that `write` wrote."""
        fields = json.loads(path.read_text())
        fields["requests"] = [Request(**request) for request in fields["requests"]]
        return cls(**fields)


@dataclass(frozen=True)
class Record:
    """What happened in one run, one row per request in the order in which they were due.

    Times count from the start of the window: what is negative belongs to the warm-up.
    """

    due_ns: NDArray[np.int64]
    """When the request was sent (closed loop) or scheduled (open loop)."""
    sent_ns: NDArray[np.int64]
    done_ns: NDArray[np.int64]
    status: NDArray[np.int64]
    request: NDArray[np.int64]
    """Index into the plan's requests."""
    window_s: float
    client_cpu_s: float
    """CPU time that the load process itself spent in the window."""

    def write(self, path: Path) -> None:
        """Write the record as an NPZ of plain arrays."""
        arrays: dict[str, Any] = {key: np.asarray(value) for key, value in vars(self).items()}
        np.savez(path, **arrays)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a record that `write` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            record = cls(**{key: arrays[key] for key in arrays.files})
        return replace(record, window_s=float(record.window_s), client_cpu_s=float(record.client_cpu_s))


def require_loopback(host: str) -> None:
    """Raise ValueError unless `host` is a loopback address or localhost: this tool loads its own machine only."""
    if host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"host {host!r} is not a loopback address; the load generator only loads its own machine")


def render(plan: Plan) -> list[bytes]:
    """Return the bytes of each request as they go over the wire."""
    return [
        http_request(plan if request.path is None else replace(plan, path=request.path), request.body.encode())
        for request in plan.requests
    ]


def http_request(plan: Plan, body: bytes, extra: str = "") -> bytes:
    """Return the bytes of one request; `extra` are further lines of its head, each with its end."""
    head = (
        f"{plan.method} {plan.path} HTTP/1.1\r\nhost: {plan.host}:{plan.port}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
    )
    return head.encode() + body
