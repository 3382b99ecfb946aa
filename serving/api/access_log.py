"""Access log lines, written beside the hot path.

A request only appends a tuple. The lines are formatted and written together, at most `FLUSH_S` later, by one callback
that is scheduled when there is something to write; an idle server schedules nothing.
"""

import asyncio
import logging
import random
import re
from time import time
from urllib.parse import quote

from serving.settings import Observability

FLUSH_S = 0.25
LONGEST_PATH = 500
SAFE = "/:@-._~"
"""Of a path, that is written as it is, beside letters and digits."""

_PLAIN = re.compile(rf"[A-Za-z0-9{re.escape(SAFE)}]{{,{LONGEST_PATH}}}")

logger = logging.getLogger("jubako.access")

_Entry = tuple[float, str, str, int | str, float, int, bytes]


class AccessLog:
    """Buffers entries and writes them in batches. Errors are always logged, successes by the sample rate."""

    def __init__(self, settings: Observability) -> None:
        self._rate = settings.access_log_sample if settings.access_log else 0.0
        self._errors = settings.access_log
        self._entries: list[_Entry] = []

    def answered(
        self, method: str, path: str, status: int | str, seconds: float, body_bytes: int, request_id: bytes = b"-"
    ) -> None:
        """Note one answer; `status` is a number of HTTP's or a name of gRPC's."""
        failed = status >= 400 if isinstance(status, int) else status != "OK"
        if not failed and (self._rate < 1 and random.random() >= self._rate):
            return
        if failed and not self._errors:
            return
        if not self._entries:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        self._entries.append((time(), method, path, status, seconds, body_bytes, request_id))

    def flush(self) -> None:
        """Write what is buffered."""
        entries, self._entries = self._entries, []
        if entries:
            logger.info("%s", "\n".join(map(_line, entries)))


def _line(entry: _Entry) -> str:
    at, method, path, status, seconds, body_bytes, request_id = entry
    # a path may hold whatever was written as %0a
    told = path if _PLAIN.fullmatch(path) else quote(path[:LONGEST_PATH], safe=SAFE)
    return f"{at:.3f} {method} {told} {status} {seconds * 1e3:.2f}ms {body_bytes}B {request_id.decode()}"
