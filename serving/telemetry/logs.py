"""How logs are written: lines for people as BentoML writes them, or one JSON object in each line.

Both are safe to collect: a line break that came with a request begins no line, and a traceback tells which exception
it was and where, but not what it says, since that may quote an input.
"""

import logging
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson
from bentoml._internal.context import server_context

from serving.api.access_log import Entries
from serving.settings import Observability
from serving.telemetry.request_context import CURRENT

Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

THEIRS = ("", "bentoml", "uvicorn.error", "circus")
"""Loggers that BentoML gives handlers; the first is the root, which asyncio's reaches."""

CONTROL = re.compile("[\x00-\x08\n-\x1f\x7f-\x9f\u2028\u2029]")
"""What may end a line or move a terminal's cursor."""


def join_server_log(settings: Observability) -> None:
    """Write our log lines where this process of BentoML's writes its own, and all of them as the settings say."""
    ours, theirs = logging.getLogger("jubako"), logging.getLogger("bentoml")
    ours.handlers, ours.propagate = theirs.handlers, False
    ours.setLevel(logging.INFO)
    handlers = {handler for name in THEIRS for handler in logging.getLogger(name).handlers}
    for handler in filter(None, {*handlers, logging.lastResort}):
        handler.setFormatter(_formatter(handler.formatter, settings))


def _formatter(theirs: logging.Formatter | None, settings: Observability) -> logging.Formatter:
    told = settings.log_exception_messages
    if settings.log_format == "json":
        return JsonFormatter(told)
    return TextFormatter(theirs or logging.Formatter(), told)


class TextFormatter(logging.Formatter):
    """Writes a record as another formatter does, but for what tracebacks tell."""

    def __init__(self, inner: logging.Formatter, exception_messages: bool = False) -> None:
        super().__init__(inner._fmt, inner.datefmt)
        self._exception_messages = exception_messages

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without its traceback; BentoML's own access log tells paths as they came."""
        if not _entries(record):
            record.message = CONTROL.sub(lambda found: repr(found[0])[1:-1], record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        """Return a traceback."""
        return trace_of(ei, self._exception_messages)


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object in a line; a record of the access log as one for each request."""

    def __init__(self, exception_messages: bool = False) -> None:
        super().__init__()
        self._exception_messages = exception_messages

    def format(self, record: logging.LogRecord) -> str:
        """Return the line or lines, without the last line break."""
        return "\n".join(map(_dumped, self._objects(record)))

    def _objects(self, record: logging.LogRecord) -> Iterator[dict[str, object]]:
        if entries := _entries(record):
            for entry in entries:
                yield {**_head(record, entry.at), "message": "request", **entry.fields()}
            return
        told = {**_head(record, record.created), "message": record.getMessage(), **_request()}
        if record.exc_info:
            told["exception"] = trace_of(record.exc_info, self._exception_messages)
        yield told


def trace_of(raised: Raised, messages: bool) -> str:
    """Return a traceback, what exceptions say left out unless `messages` are wanted."""
    _, error, _ = raised
    if error is None:
        return ""
    trace = traceback.TracebackException.from_exception(error)
    if not messages:
        _silence(trace)
    return "".join(trace.format()).rstrip("\n")


def _silence(trace: traceback.TracebackException) -> None:
    """Leave the class of an exception and of those that it came from, and where each was raised."""
    trace._str = "(what it says may quote a request: JUBAKO_OBSERVABILITY__LOG_EXCEPTION_MESSAGES tells it)"  # type: ignore[attr-defined]
    trace.__notes__ = None
    for other in (trace.__cause__, trace.__context__, *(trace.exceptions or ())):
        if other is not None:
            _silence(other)


def _entries(record: logging.LogRecord) -> Entries | None:
    args = record.args
    return args[0] if isinstance(args, tuple) and len(args) == 1 and isinstance(args[0], Entries) else None


def _dumped(told: dict[str, object]) -> str:
    text = orjson.dumps(told, default=str).decode()
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)  # JSON leaves those of Unicode as they are


def _head(record: logging.LogRecord, at: float) -> dict[str, object]:
    time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    head: dict[str, object] = {"time": time, "level": record.levelname, "logger": record.name}
    if server_context.service_name:
        head["service"] = server_context.service_name
        head["worker"] = server_context.worker_index or 0
    return head


def _request() -> dict[str, object]:
    context = CURRENT.get()
    if context is None:
        return {}
    told = {"request_id": context.request_id, "trace_id": context.trace_id}
    return {key: value for key, value in told.items() if value is not None}
