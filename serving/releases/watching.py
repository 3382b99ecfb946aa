"""Watching the releases file."""

import asyncio
import logging
from collections.abc import AsyncIterator

from serving.releases.errors import ReleaseError
from serving.releases.file import ReleasesFile, Stamp
from serving.releases.plan import Plan

logger = logging.getLogger("jubako.releases")


async def plans(file: ReleasesFile, poll_s: float) -> AsyncIterator[Plan]:
    """Yield the plan, and the new one whenever the file changes; one that cannot be read is passed over with an error.

    The file is looked at again and again: it may lie on a network file system or in a ConfigMap, where a change that
    another machine makes is no event here. One `stat` a second costs some microseconds, in a thread, since a network
    may hang.
    """
    seen: Stamp | None = None
    first = True
    while True:
        try:
            stamp = await asyncio.to_thread(file.stamp)
            if first or stamp != seen:
                first, seen = False, stamp
                yield await asyncio.to_thread(file.read)
        except (ReleaseError, OSError) as error:
            logger.error("%s; what is served stays as it is", error)
        await asyncio.sleep(poll_s)
