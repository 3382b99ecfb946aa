"""The versions that a runner has loaded, and which fronts need them."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from bundle.errors import BundleError
from serving.background import beside_requests
from serving.errors import Code, JubakoError
from serving.releases import memory
from serving.scheduler import Backend

logger = logging.getLogger("jubako.runner")

Backends = Mapping[str, Backend]
"""A version's encoders, by the names that fronts call them by: its tag, or the tag, a slash and a role."""


class Shelf:
    """Loads what a connected front needs, one version at a time, and frees what none needs.

    While no front is connected everything stays: one that restarts finds what it had.
    """

    def __init__(self, load: Callable[[str], Backends], loaded: Iterable[Backends] = ()) -> None:
        self._load = load
        self._loaded = {_tag_of(next(iter(backends))): backends for backends in loaded}
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._needs: dict[object, frozenset[str]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._freeing: set[asyncio.Task[None]] = set()

    async def hold(self, front: object, tags: Collection[str]) -> dict[str, str]:
        """Note what a front needs from now on, and return when it is loaded: by tag, why one cannot be."""
        self._needs[front] = frozenset(tags)
        self._free_others()
        refused: dict[str, str] = {}
        for tag in tags:
            try:
                await self._have(tag)
            except BundleError as error:
                refused[tag] = str(error)
        return refused

    def leave(self, front: object) -> None:
        """Note that a front is gone."""
        self._needs.pop(front, None)
        self._free_others()

    async def backend(self, name: str) -> Backend:
        """Return an encoder, waiting for it where its version is being loaded.

        Raises:
            JubakoError: `not_ready`, when it is not loaded.
        """
        tag = _tag_of(name)
        if tag not in self._loaded and tag in self._loading:
            await asyncio.wait([self._loading[tag]])
        backends = self._loaded.get(tag, {})
        if name not in backends:
            raise JubakoError(Code.NOT_READY, f"{tag} is not loaded in its runner", retry_after_s=1)
        return backends[name]

    def close(self) -> None:
        """Let running work end and free everything."""
        for backends in self._loaded.values():
            _close(backends)

    async def _have(self, tag: str) -> None:
        """Return when a version is loaded; callers of the same one wait together."""
        if tag in self._loaded:
            return
        if tag not in self._loading:
            self._loading[tag] = task = asyncio.create_task(self._fetch(tag))
            task.add_done_callback(_look_at)
        await asyncio.shield(self._loading[tag])

    async def _fetch(self, tag: str) -> None:
        def quietly() -> Backends:
            with beside_requests():
                return self._load(tag)

        try:
            self._loaded[tag] = await asyncio.get_running_loop().run_in_executor(self._thread, quietly)
        except BundleError:
            raise
        except Exception as error:
            logger.exception("%s cannot be loaded", tag)
            raise BundleError(f"{tag}: {type(error).__name__}: {error}") from error
        finally:
            del self._loading[tag]
        self._free_others()  # nobody may need it any more

    def _free_others(self) -> None:
        if not self._needs:
            return
        needed = frozenset[str]().union(*self._needs.values())
        for tag in self._loaded.keys() - needed:
            task = asyncio.create_task(self._free(tag, self._loaded.pop(tag)))
            self._freeing.add(task)
            task.add_done_callback(self._freeing.discard)

    async def _free(self, tag: str, backends: Backends) -> None:
        """Close a version in a thread: its last micro-batch may still be computed for a caller who has left."""
        await asyncio.to_thread(_close, backends)
        del backends
        await asyncio.to_thread(memory.give_back)
        logger.info("%s is freed", tag)


def _tag_of(name: str) -> str:
    return name.partition("/")[0]


def _look_at(task: "asyncio.Task[None]") -> None:
    """Take a task's error, which whoever waited for it may have left before."""
    if not task.cancelled():
        task.exception()


def _close(backends: Backends) -> None:
    for backend in backends.values():
        backend.close()
