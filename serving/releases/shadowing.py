"""Shadow mode: copies of requests run on another version, whose results are compared and thrown away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from serving.errors import JubakoError
from serving.model import Served
from serving.releases.comparing import Agreement
from serving.releases.metrics import ShadowMetrics
from serving.releases.splitting import falls_within
from serving.releases.versions import Version

logger = logging.getLogger("jubako.shadow")

MOST_FULL = 0.5
"""Share of a queue's bound from which copies are dropped: requests need the room, and the device."""

Copy = Callable[[Version], Awaitable[Agreement | None]]
"""Runs a request again on another model and compares."""


class Shadow:
    """A version that gets copies, one at a time, so that it takes no more of the device than one caller does."""

    def __init__(self, name: str, version: Version, percent: float, waiting: int) -> None:
        self.version = version
        self.percent = percent
        self._name = name
        self._salt = f"shadow {name}:{version.name}"
        self._metrics = ShadowMetrics(name, version.name)
        self._copies: asyncio.Queue[Copy] = asyncio.Queue(waiting)
        self._worker = asyncio.create_task(self._run())

    def offer(self, answering: Served, key: str, copy: Copy) -> None:
        """Take a copy of a request that was just answered, unless that could be at somebody's cost."""
        if not falls_within(self.percent, self._salt, key):
            return
        if self._copies.full() or max(answering.fullness, self.version.model.fullness) > MOST_FULL:
            self._metrics.other("dropped")
            return
        self._copies.put_nowait(copy)

    def close(self) -> None:
        """Forget what waits, and abandon what runs."""
        self._worker.cancel()

    async def _run(self) -> None:
        while True:
            copy = await self._copies.get()
            with self.version.held():
                try:
                    agreement = await copy(self.version)
                except JubakoError:
                    self._metrics.other("failed")
                except Exception:
                    logger.exception("a copy for version %s of %s failed", self.version.name, self._name)
                    self._metrics.other("failed")
                else:
                    self._record(agreement)
            del copy

    def _record(self, agreement: Agreement | None) -> None:
        if agreement is None:
            self._metrics.other("incomparable")
        else:
            self._metrics.compared(*agreement)
