"""A file server on the loopback that understands ranges and can be told to break off."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class FileServer(ThreadingHTTPServer):
    """Serves one body under any path."""

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.etag = '"one"'
        self.break_after: int | None = None
        """Bytes of the body after which the connection closes; None: never."""
        self.ranges: list[str | None] = []
        """What each request asked for."""

    @property
    def url(self) -> str:
        """Return the address of this server."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Answers GET with the body, or with its rest if the caller has the beginning of this version."""

    server: FileServer

    def do_GET(self) -> None:
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        resumed = bool(wanted) and self.headers.get("If-Range") == self.server.etag
        rest = self.server.body[start:] if resumed else self.server.body
        self.send_response(206 if resumed else 200)
        self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.break_after])

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def serving(body: bytes) -> Iterator[FileServer]:
    """Serve `body` on a free port."""
    server = FileServer(body)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
