"""What both clients are told when they are made."""

from collections.abc import Mapping
from pathlib import Path

from jubako.client.attempts import Attempts, Backoff
from jubako.client.calls import Calls
from jubako.client.parts import PartSize
from jubako.client.requests import Request
from jubako.client.target import Compression, target_of

READY = Request("ready", {}, "ready")


class Configured:
    """A client of the server at a URL.

    Args:
        url: `http://`, `https://`, `grpc://` or `grpcs://`, host and port (of gRPC 3001 where there is none).
        timeout_s: time that a request may take, further tries included; the server is told and gives up then too. Of a
            list that is sent in parts it is each part's.
        retries: further tries of a request that found the server busy, not ready or not there.
        api_key: sent as `Authorization: Bearer`.
        headers: more headers, or over gRPC metadata, of every request.
        compression: `gzip` compresses requests and has the server compress answers; vectors hardly become smaller.
        ca_file: certificates (PEM) to trust in place of the usual ones.
        part_inputs: most inputs of one request; a longer list is sent in parts.
        part_bytes: most bytes of inputs of one request.
        in_flight: parts of a list that are on their way at once.
    """

    def __init__(
        self,
        url: str = "http://localhost:3000",
        *,
        timeout_s: float = 60.0,
        retries: int = 3,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        compression: Compression | None = None,
        ca_file: str | Path | None = None,
        part_inputs: int = 128,
        part_bytes: int = 1024 * 1024,
        in_flight: int = 4,
    ) -> None:
        for name, value in {"timeout_s": timeout_s, "part_inputs": part_inputs, "in_flight": in_flight}.items():
            if value <= 0:
                raise ValueError(f"{name} is {value}; it must be more than 0")
        self._target = target_of(url, api_key, headers, compression, ca_file)
        self._calls = Calls(PartSize(part_inputs, part_bytes))
        self._backoff = Backoff(retries)
        self._timeout_s = timeout_s
        self._in_flight = in_flight
        self._open()

    def _open(self) -> None:
        """Make the transport; nothing is sent yet."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._target.url!r})"

    def _attempts(self, request: Request) -> Attempts:
        return Attempts(self._backoff, self._time_of(request))

    def _time_of(self, request: Request) -> float:
        return self._timeout_s if request.timeout_s is None else request.timeout_s
