"""A real HTTP server of a few lines, to hold the load generator to: it counts, and it misbehaves on request."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Behaviour = Callable[[int], "Reply"]


@dataclass(frozen=True)
class Reply:
    """How one request is answered."""

    status: int = 200
    delay_s: float = 0.0
    close: bool = False
    """Close the connection after the answer, announced in its header."""
    retry_after: str = ""
    drop: bool = False
    """Close the connection instead of answering."""


@dataclass
class TinyServer:
    """Answers every request with a short body, as `behaviour` says for its number."""

    behaviour: Behaviour = field(default=lambda number: Reply())
    port: int = 0
    connections: int = 0
    bodies: list[bytes] = field(default_factory=list)
    """Of the requests that were received whole, in order."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                reply = self.behaviour(len(self.bodies) - 1)
                await asyncio.sleep(reply.delay_s)
                if reply.drop:
                    return
                extra = b"connection: close\r\n" if reply.close else b""
                extra += f"retry-after: {reply.retry_after}\r\n".encode() if reply.retry_after else b""
                writer.write(b"HTTP/1.1 %d X\r\n%bcontent-length: 2\r\n\r\nok" % (reply.status, extra))
                if reply.close:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def tiny_server(behaviour: Behaviour = lambda number: Reply()) -> AsyncIterator[TinyServer]:
    """Run a server on a free loopback port."""
    tiny = TinyServer(behaviour)
    server = await asyncio.start_server(tiny.serve, "127.0.0.1", 0)
    tiny.port = server.sockets[0].getsockname()[1]
    try:
        yield tiny
    finally:
        server.close()
        await server.wait_closed()
