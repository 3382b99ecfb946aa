"""How a worker loads a version beside others, and how it lets go of one."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from bundle.errors import BundleError
from serving.background import beside_requests
from serving.model import Served
from serving.settings import Settings
from serving.split.remote import Runner

Load = Callable[[str], Served]
"""Loads a tag, which takes seconds; raises `BundleError`."""


class Loader(Protocol):
    """Loads and frees; nothing of it holds up the event loop."""

    async def load(self, tag: str) -> Served:
        """Return a version that has passed its hashes and its golden vectors.

        Raises:
            BundleError: it has not.
        """

    async def confirm(self, tag: str) -> None:
        """Pass if a version that was loaded before the event loop ran can be computed.

        Raises:
            BundleError: it cannot.
        """

    async def free(self, model: Served) -> None:
        """Close a version on which nothing runs any more."""


class LocalLoader:
    """Loads into this process, one version at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")

    async def load(self, tag: str) -> Served:
        """Load and test."""

        def quietly() -> Served:
            with beside_requests():
                return self._load(tag)

        return await asyncio.get_running_loop().run_in_executor(self._thread, quietly)

    async def confirm(self, tag: str) -> None:
        """Do nothing: it was tested where it was loaded."""

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def free(self, model: Served) -> None:
        """Close it in a thread: its last micro-batch may still be computed for a caller who has left."""
        await asyncio.to_thread(model.close)


class RemoteLoader:
    """Loads a version's other half in this process, and has every runner load what computes."""

    def __init__(self, load: Load, runners: Sequence[Runner], settings: Settings) -> None:
        self._local = LocalLoader(load)
        self._runners = runners
        self._limit_s = settings.releases.load_ms / 1000

    async def load(self, tag: str) -> Served:
        """Load here, and then in the runners; none of them keeps it where one refuses."""
        try:
            model = await self._local.load(tag)
        except Exception:
            for runner in self._runners:
                runner.leave(tag)
            raise
        try:
            await self.confirm(tag)
        except BundleError:
            await self.free(model)
            raise
        return model

    async def confirm(self, tag: str) -> None:
        """Have every runner load and test the version."""
        try:
            async with asyncio.timeout(self._limit_s):
                await asyncio.gather(*(runner.hold(tag) for runner in self._runners))
        except TimeoutError as error:
            raise BundleError(
                f"{tag}: a runner did not load it within {self._limit_s:g} s; see its log, and promote it again"
            ) from error

    async def free(self, model: Served) -> None:
        """Close it, and tell the runners that nobody here needs it."""
        await self._local.free(model)
        for runner in self._runners:
            await runner.tell()
