"""`GET /metrics`."""

import asyncio

from serving.api.asgi import Answer, Request
from serving.core import Core
from serving.errors import JubakoError
from serving.telemetry.exposition import CONTENT_TYPE, exposition
from serving.telemetry.late import tell_all

READY_S = 1.0
"""Longest wait for a model that has computed nothing lately; one that needs longer is told as not ready."""


async def metrics(core: Core, request: Request) -> Answer:
    """Answer `GET /metrics`; models that have computed nothing lately are asked to, as by `/readyz`."""
    ready = await _is_ready(core)
    tell_all()
    return Answer(await asyncio.to_thread(exposition, ready), content_type=CONTENT_TYPE)


async def _is_ready(core: Core) -> bool:
    try:
        async with asyncio.timeout(READY_S):
            await core.check_ready()
    except (JubakoError, TimeoutError):
        return False
    return True
