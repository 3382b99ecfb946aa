"""What is written down about each call: metrics, a line in the access log and a span, as for HTTP."""

from collections.abc import Sequence

from grpc import StatusCode

from serving.api.access_log import AccessLog
from serving.api.tracing import Tracing
from serving.metrics import RequestMetrics
from serving.settings import Observability


class Observer:
    """Records calls once they have ended."""

    def __init__(self, settings: Observability) -> None:
        self._log = AccessLog(settings)
        self._metrics = RequestMetrics()
        self._tracing = Tracing.from_bentoml()

    def ended(
        self,
        path: str,
        code: StatusCode,
        seconds: float,
        sent_bytes: int,
        request_id: str,
        metadata: Sequence[tuple[str, str | bytes]],
    ) -> None:
        """Record a call of `/service/method` that ended now."""
        self._metrics.answered(path, code.name, seconds)
        self._log.answered("GRPC", path, code.name, seconds, sent_bytes, request_id.encode())
        self._tracing.called(path, metadata, code.name, code.value[0], seconds, request_id)

    def left(self, path: str, code: StatusCode, seconds: float) -> None:
        """Record a call whose client did not wait for its end."""
        self._metrics.answered(path, code.name, seconds)
