from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from bundle.bundle import Bundle
from serving.api.front import Front
from serving.core import Core
from serving.loading import load_model
from serving.settings import Settings
from tests.serving.api.conftest import behind_the_front
from tests.serving.recommenders import LIMITS, Made, make_books


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_books(tmp_path_factory.mktemp("books"))


@pytest.fixture(scope="module")
def core(stored_tiny: Bundle, stored_tales: Bundle, books: Made) -> Iterator[Core]:
    settings = Settings(models=["tiny", "tales", "books"], limits=LIMITS)
    loaded = {name: load_model(name, settings) for name in ("tiny", "tales")}
    core = Core({**loaded, "books": books.model}, settings)
    yield core
    core.close()


@pytest.fixture
async def http(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    front = Front(behind_the_front, core.settings)
    front.core = core
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://test") as client:
        yield client


@pytest.fixture
async def client(http: httpx.AsyncClient) -> httpx.AsyncClient:
    return http


def tensor(name: str, data: list[Any], shape: list[int] | None = None, datatype: str = "BYTES") -> dict[str, Any]:
    return {"name": name, "shape": [len(data)] if shape is None else shape, "datatype": datatype, "data": data}


async def post_infer(
    client: httpx.AsyncClient, model: str, *inputs: dict[str, Any], outputs: tuple[str, ...] = (), **parameters: Any
) -> httpx.Response:
    body = {"inputs": inputs, "outputs": [{"name": name} for name in outputs], "parameters": parameters}
    return await client.post(f"/v2/models/{model}/infer", json=body)


async def infer(
    client: httpx.AsyncClient, model: str, *inputs: dict[str, Any], outputs: tuple[str, ...] = (), **parameters: Any
) -> dict[str, dict[str, Any]]:
    """Return the outputs by name, in their order."""
    response = await post_infer(client, model, *inputs, outputs=outputs, **parameters)
    assert response.status_code == 200, response.text
    return {output["name"]: output for output in response.json()["outputs"]}
