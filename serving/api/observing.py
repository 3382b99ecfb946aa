"""What is written down about each request, over either transport: metrics, a line in the access log and a span."""

from collections.abc import Sequence

from grpc import StatusCode

from serving.api.access_log import AccessLog
from serving.api.asgi import Headers
from serving.api.tracing import Protocol, Tracing
from serving.errors import Code
from serving.settings import Observability
from serving.telemetry.metrics import InFlightMetrics, RequestMetrics
from serving.telemetry.request_context import CURRENT, RequestContext

CLIENT_LEFT = 499
"""Status of a request over HTTP whose client did not wait."""


class Observer:
    """Records requests: when they come, and once they have ended."""

    def __init__(self, settings: Observability, protocol: Protocol) -> None:
        self._log = AccessLog(settings)
        self._metrics = RequestMetrics()
        self._in_flight = InFlightMetrics(protocol)
        self._tracing = Tracing.from_bentoml()

    def received(self, method: str, route: str, headers: Headers, request_id: bytes) -> RequestContext:
        """Record that an HTTP request has come."""
        context = self._begun(request_id.decode())
        self._tracing.received(context, method, route, headers)
        return context

    def answered(
        self, context: RequestContext, method: str, route: str, path: str, status: int, sent_bytes: int
    ) -> None:
        """Record that an HTTP request has its answer, or none because its client has left."""
        self._in_flight.ended()
        seconds = self._metrics.answered(route, status, context.begin, context.code)
        self._tracing.answered(context, status)
        self._log.answered(context, method, route, path, status, seconds, sent_bytes)

    def called(self, path: str, metadata: Sequence[tuple[str, str | bytes]], request_id: str) -> RequestContext:
        """Record that a gRPC call of `/service/method` has come."""
        context = self._begun(request_id)
        self._tracing.called(context, path, metadata)
        return context

    def ended(self, context: RequestContext, path: str, code: StatusCode, sent_bytes: int) -> None:
        """Record that a gRPC call has ended."""
        self._in_flight.ended()
        seconds = self._metrics.answered(path, code.name, context.begin, context.code)
        self._tracing.ended(context, code.name, code.value[0])
        self._log.answered(context, "GRPC", path, path, code.name, seconds, sent_bytes)

    def left(self, context: RequestContext, path: str, code: StatusCode) -> None:
        """Record a gRPC call whose client did not wait for its end."""
        context.code = Code.DEADLINE if code is StatusCode.DEADLINE_EXCEEDED else Code.CANCELLED
        self.ended(context, path, code, 0)

    def _begun(self, request_id: str) -> RequestContext:
        context = RequestContext(request_id)
        CURRENT.set(context)
        self._in_flight.begun()
        return context
