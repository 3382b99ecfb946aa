"""Where a server is, and how it is spoken to."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

GRPC_PORT = 3001
SCHEMES = ("http", "https", "grpc", "grpcs")
Compression = Literal["gzip"]


@dataclass(frozen=True)
class Target:
    """A server's address and what every request to it carries."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """With lower-case names; over gRPC they are metadata."""
    compression: Compression | None = None
    """Of requests and answers."""
    ca_file: str | Path | None = None
    """Certificates (PEM) to trust in place of the usual ones."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in SCHEMES or not parts.hostname:
            told = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise ValueError(f"{self.url!r} is no address of a server; write one of {told} and host:port after it")

    @property
    def over(self) -> Literal["http", "grpc"]:
        """The protocol."""
        return "grpc" if urlsplit(self.url).scheme.startswith("grpc") else "http"

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return urlsplit(self.url).scheme.endswith("s")

    @property
    def address(self) -> str:
        """Host and port, as gRPC takes them."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or GRPC_PORT}"

    def certificates(self) -> bytes | None:
        """Return the certificates to trust, or None for the usual ones."""
        return None if self.ca_file is None else Path(self.ca_file).read_bytes()

    def tls(self) -> ssl.SSLContext | bool:
        """Return what httpx trusts."""
        return True if self.ca_file is None else ssl.create_default_context(cafile=str(self.ca_file))


def target_of(
    url: str,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    compression: Compression | None = None,
    ca_file: str | Path | None = None,
) -> Target:
    """Return the target of a URL.

    Raises:
        ValueError: the URL is not one of a server, or the compression is not known.
    """
    if compression not in (None, "gzip"):
        raise ValueError(f"compression {compression!r} is not known; take 'gzip', or None")
    carried = {name.lower(): value for name, value in (headers or {}).items()}
    if api_key is not None:
        carried["authorization"] = f"Bearer {api_key}"
    return Target(url.rstrip("/"), carried, compression, ca_file)


@cache
def user_agent() -> str:
    """Return the name under which the clients go."""
    try:
        return f"jubako-python/{version('jubako')}"
    except PackageNotFoundError:
        return "jubako-python"
