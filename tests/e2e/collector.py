"""A collector of OTLP spans over HTTP, as small as it can be."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

PATIENCE_S = 15.0


@dataclass(frozen=True)
class Span:
    """What a test needs of a span."""

    service: str
    name: str
    trace: str
    own: str
    parent: str
    begin_ns: int
    end_ns: int
    attributes: dict[str, Any]


class Collector:
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._came = threading.Condition()
        keep = self._keep

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                keep(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1/traces"

    def trace(self, trace: str, spans: int) -> list[Span]:
        """Wait until a trace has so many spans, and return them in the order of their beginnings."""
        with self._came:
            self._came.wait_for(lambda: len(self._of(trace)) >= spans, PATIENCE_S)
        return sorted(self._of(trace), key=lambda span: span.begin_ns)

    def raw(self) -> str:
        """Return all that was ever sent, as text."""
        return repr(self._spans)

    def _of(self, trace: str) -> list[Span]:
        return [span for span in self._spans if span.trace == trace]

    def _keep(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._came:
            for of_process in request.resource_spans:
                service = next(each.value.string_value for each in of_process.resource.attributes if each.key == NAME)
                for scope in of_process.scope_spans:
                    self._spans += [
                        Span(
                            service, each.name, each.trace_id.hex(), each.span_id.hex(), each.parent_span_id.hex(),
                            each.start_time_unix_nano, each.end_time_unix_nano,
                            {one.key: _plain(one.value) for one in each.attributes},
                        )
                        for each in scope.spans
                    ]  # fmt: skip
            self._came.notify_all()


NAME = "service.name"


def _plain(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    return [_plain(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind or "")


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector."""
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        collector.server.server_close()
        thread.join()
