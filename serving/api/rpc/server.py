"""The gRPC server of one worker, in the worker's own event loop."""

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import grpc

from serving.access.gate import Gate
from serving.api.rpc.handling import Handling
from serving.api.rpc.services import services
from serving.api.rpc.standing import Standing
from serving.core import Core
from serving.settings import Settings

logger = logging.getLogger("jubako.rpc")

KEEPALIVE_MS = 60_000
"""How often a silent connection is asked whether its client is still there."""
KEEPALIVE_TIMEOUT_MS = 20_000
LEAST_PING_MS = 500
"""Clients that ask more often than this are sent away; gRPC's own default of five minutes sends ordinary ones away."""

UNCOMPRESSED = 1
"""The bit of no compression among those of gRPC's algorithms."""
LINGER_S = 0.3
"""Time in which calls are refused with an answer before connections are closed."""

ANOTHER_PORT = "JUBAKO_GRPC_PORT sets another port, and 0 serves no gRPC"


class RpcServer:
    """Serves gRPC on the port of the settings; with port 0 it serves nothing."""

    def __init__(self, core_of: Callable[[], Core | None], settings: Settings, gate: Gate | None = None) -> None:
        """Take what returns the core, or None while the models are being loaded; without a gate everybody is let in."""
        self.port = settings.grpc_port
        self._settings = settings
        self._gate = gate
        self._standing = Standing(core_of)
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen and serve, in the running event loop.

        Raises:
            RuntimeError: the port is taken, or the certificate cannot be used; the message says what to do.
        """
        if not self.port:
            return
        needs_keys = self._gate is not None and self._gate.needs_keys
        server = grpc.aio.server(options=_options(self._settings, needs_keys))
        server.add_generic_rpc_handlers(
            [Handling(services(self._standing, self._settings), self._settings, self._standing.closing, self._gate)]
        )
        self._listen(server)
        await server.start()
        self._server = server
        logger.info("gRPC is served on %s:%d", self._settings.grpc.host, self.port)

    async def announce(self) -> None:
        """Tell health checks that the server will stop, and serve on."""
        self._standing.draining.set()

    async def drain(self, grace_s: float) -> None:
        """Stop: tell health checks, take no more calls, and wait at most `grace_s` for those that were taken.

        Of a stream that is what it has sent so far; it is told to go elsewhere with the rest. So is a call that comes
        over a connection that is still open: were gRPC's own stop the first thing, it would cancel what is on its way.
        While one call of this waits, another may cut the wait short.
        """
        first = not self._standing.closing.is_set()
        self._standing.draining.set()
        self._standing.closing.set()
        if self._server is not None:
            linger_s = min(LINGER_S, grace_s) if first else 0
            await asyncio.sleep(linger_s)
            await self._server.stop(grace_s - linger_s)

    def _listen(self, server: grpc.aio.Server) -> None:
        settings = self._settings.grpc
        address = f"{settings.host}:{self.port}"
        credentials = None
        if settings.tls_certificate is not None and settings.tls_key is not None:
            pair = (_read(settings.tls_key), _read(settings.tls_certificate))
            credentials = grpc.ssl_server_credentials([pair])
        try:
            if credentials is None:
                server.add_insecure_port(address)
            else:
                server.add_secure_port(address, credentials)
        except RuntimeError as error:
            why = (
                "the port is taken" if credentials is None else "the port is taken, or the key is not the certificate's"
            )
            raise RuntimeError(f"gRPC cannot listen on {address}: {why}; {ANOTHER_PORT}") from error


def check_port(settings: Settings) -> None:
    """Check that the port can be had, before any worker that would be started again and again tries to.

    Raises:
        RuntimeError: it cannot; the message says what to do.
    """
    if not settings.grpc_port:
        return
    host = settings.grpc.host.strip("[]")
    try:
        found = socket.getaddrinfo(host, settings.grpc_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger do not take it
            probe.bind(address)
    except OSError as error:
        where = f"{settings.grpc.host}:{settings.grpc_port}"
        raise RuntimeError(f"gRPC cannot listen on {where}: {error.strerror}; {ANOTHER_PORT}") from error


def _options(settings: Settings, needs_keys: bool) -> list[tuple[str, int]]:
    shared = settings.topology == "split" and settings.fronts > 1
    compressed = settings.grpc.compressed == "always" or (settings.grpc.compressed == "auto" and not needs_keys)
    return [
        *([] if compressed else [("grpc.compression_enabled_algorithms_bitset", UNCOMPRESSED)]),
        ("grpc.so_reuseport", int(shared)),  # or two servers that know nothing of each other would share the port
        ("grpc.max_receive_message_length", settings.grpc.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # of one connection; gRPC lets more wait at the client, where nobody tells them why
        ("grpc.max_concurrent_streams", 2 * settings.grpc.max_calls + settings.grpc.max_watchers),
        ("grpc.server_handshake_timeout_ms", int(settings.limits.head_ms)),  # its own default is two minutes
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_MS),
    ]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RuntimeError(f"gRPC's TLS needs {file}, which cannot be read: {error.strerror}") from error
