"""Access log lines, written beside the hot path.

A request only appends a tuple. The lines are formatted and written together, at most `FLUSH_S` later, by one callback
that is scheduled when there is something to write; an idle server schedules nothing.
"""

import asyncio
import logging
import random
import re
from collections.abc import Iterator
from time import time
from typing import NamedTuple
from urllib.parse import quote

from serving.settings import Observability
from serving.telemetry.request_context import RequestContext

FLUSH_S = 0.25
LONGEST_PATH = 500
SAFE = "/:@-._~"
"""Of a path, that is written as it is, beside letters and digits."""

_PLAIN = re.compile(rf"[A-Za-z0-9{re.escape(SAFE)}]{{,{LONGEST_PATH}}}")

logger = logging.getLogger("jubako.access")


class Entry(NamedTuple):
    """One answered request."""

    at: float
    """Unix time of the answer."""
    context: RequestContext
    method: str
    endpoint: str
    path: str
    status: int | str
    seconds: float
    sent_bytes: int

    def line(self) -> str:
        """Return the line for people."""
        context = self.context
        code = "" if context.code is None else f" {context.code}"
        trace = "" if context.trace_id is None else f" trace={context.trace_id}"
        return (
            f"{self.at:.3f} {self.method} {told_path(self.path)} {self.status} {self.seconds * 1e3:.2f}ms "
            f"{self.sent_bytes}B {context.request_id}{code}{trace}"
        )

    def fields(self) -> dict[str, object]:
        """Return what a machine reads; what is not known is left out."""
        context = self.context
        told = {
            "request_id": context.request_id,
            "trace_id": context.trace_id,
            "method": self.method,
            "endpoint": self.endpoint,
            "path": told_path(self.path),
            "status": self.status,
            "code": context.code,
            "model": context.model,
            "version": context.version,
            "inputs": context.inputs or None,
            "tokens": context.tokens or None,
            "duration_ms": round(self.seconds * 1e3, 3),
            "sent_bytes": self.sent_bytes,
        }
        return {key: value for key, value in told.items() if value is not None}


class Entries:
    """What one record of the logger carries: text in a line for each, or fields for who asks."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = entries

    def __str__(self) -> str:
        return "\n".join(entry.line() for entry in self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)


class AccessLog:
    """Buffers entries and writes them in batches. Errors are always logged, successes by the sample rate."""

    def __init__(self, settings: Observability) -> None:
        self._rate = settings.access_log_sample if settings.access_log else 0.0
        self._errors = settings.access_log
        self._entries: list[Entry] = []

    def answered(
        self,
        context: RequestContext,
        method: str,
        endpoint: str,
        path: str,
        status: int | str,
        seconds: float,
        sent_bytes: int,
    ) -> None:
        """Note one answer; `status` is a number of HTTP's or a name of gRPC's."""
        failed = status >= 400 if isinstance(status, int) else status != "OK"
        if not failed and (self._rate < 1 and random.random() >= self._rate):
            return
        if failed and not self._errors:
            return
        if not self._entries:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        self._entries.append(Entry(time(), context, method, endpoint, path, status, seconds, sent_bytes))

    def flush(self) -> None:
        """Write what is buffered."""
        entries, self._entries = self._entries, []
        if entries:
            logger.info("%s", Entries(entries))


def told_path(path: str) -> str:
    """Return a path as logs show it; it may hold whatever was written as %0a."""
    return path if _PLAIN.fullmatch(path) else quote(path[:LONGEST_PATH], safe=SAFE)
