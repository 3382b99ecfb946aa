from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from bundle.bundle import Bundle
from serving.api.asgi import Answer, Receive, Scope, Send, send_answer
from serving.api.front import Front
from serving.core import Core
from serving.loading import load_model
from serving.settings import Limits, Settings


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(models=["tiny", "tales", "notes"], limits=Limits(max_body_bytes=200_000))


@pytest.fixture(scope="module")
def core(stored_tiny: Bundle, stored_tales: Bundle, stored_notes: Bundle, settings: Settings) -> Iterator[Core]:
    core = Core({name: load_model(name, settings) for name in settings.models}, settings)
    yield core
    core.close()


async def behind_the_front(scope: Scope, receive: Receive, send: Send) -> None:
    await send_answer(send, Answer(b"from BentoML", 200 if scope["path"] == "/schema.json" else 404))


@pytest.fixture
async def client(core: Core, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    front = Front(behind_the_front, settings)
    front.core = core
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://test") as client:
        yield client


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    return await client.post(path, json=body)
