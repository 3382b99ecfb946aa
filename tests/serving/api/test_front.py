import asyncio
from typing import Any

import httpx
import pytest

from bundle.bundle import Bundle
from serving.api.asgi import Message
from serving.api.front import ROUTES, Front
from serving.core import Core
from serving.errors import TABLE, Code, JubakoError
from serving.settings import Settings
from tests.serving.api.conftest import behind_the_front


async def test_other_paths_go_through_to_bentoml(client: httpx.AsyncClient) -> None:
    assert (await client.get("/schema.json")).text == "from BentoML"


async def test_a_path_that_nobody_knows_is_told_in_the_contract_s_words(client: httpx.AsyncClient) -> None:
    response = await client.post("/embedd", json={})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_path")


async def test_models_are_listed_and_shown(client: httpx.AsyncClient, tiny: Bundle) -> None:
    listed = (await client.get("/models")).json()["models"]
    assert [(model["name"], model["dimensions"], model["labels"], model["record"]) for model in listed] == [
        ("tiny", 32, None, "text"), ("tales", None, 5, "book"), ("notes", None, 5, "paper")
    ]  # fmt: skip
    shown = (await client.get("/models/tiny")).json()
    assert shown["manifest"] == tiny.manifest.model_dump(mode="json")


async def test_models_tell_what_they_were_trained_on_and_how_they_were_measured(client: httpx.AsyncClient) -> None:
    shown = (await client.get("/models/tales")).json()
    assert shown["training_data"] == {"description": "five keywords", "sha256": "0" * 64, "rows": 5}
    assert shown["metrics"] == [{"name": "micro-F1", "value": 1.0, "protocol": "none: keywords"}]
    assert [label["threshold"] for label in shown["label_set"]["labels"]] == [0.5, 0.4, 0.6, 0.3, 0.5]
    listed = (await client.get("/models")).json()["models"]
    assert listed[1]["training_data"]["description"] == "five keywords"
    assert listed[0]["training_data"] is None


async def test_an_unknown_model_is_not_found(client: httpx.AsyncClient) -> None:
    response = await client.get("/models/bookz")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_model")


async def test_the_openapi_document_tells_every_route_of_the_front(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert {path for path in ROUTES if path not in ("/docs", "/openapi.json")} <= document["paths"].keys()
    schemas = document["components"]["schemas"]
    assert schemas["EmbedBody"]["required"] == schemas["ClassifyBody"]["required"] == ["inputs"]
    assert document["paths"]["/classify"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert "swagger" in (await client.get("/docs")).text


async def test_before_the_models_are_loaded_everything_is_unavailable(settings: Settings) -> None:
    front = Front(behind_the_front, settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://test") as client:
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_status_for_each_transport(code: Code) -> None:
    grpc_statuses = {
        "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "NOT_FOUND", "UNIMPLEMENTED", "UNAVAILABLE", "DEADLINE_EXCEEDED",
        "CANCELLED", "INTERNAL", "UNAUTHENTICATED", "PERMISSION_DENIED",
    }  # fmt: skip
    assert 400 <= TABLE[code].http < 600
    assert TABLE[code].grpc in grpc_statuses


class Probe:
    """Stands in a model's place and counts the inferences it is asked for."""

    def __init__(self, model: Any, age_s: float, error: JubakoError | None = None) -> None:
        self.manifest = model.manifest
        self.last_success_age_s = age_s
        self.checks = 0
        self._error = error

    async def check(self, timeout_s: float) -> None:
        self.checks += 1
        await asyncio.sleep(0.01)
        if self._error:
            raise self._error


async def ready(core: Core, settings: Settings, probe: Probe, requests: int = 1) -> list[httpx.Response]:
    front = Front(behind_the_front, settings)
    front.core = Core({"tiny": probe}, settings)  # type: ignore[dict-item]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://test") as client:
        return await asyncio.gather(*(client.get("/readyz") for _ in range(requests)))


async def test_a_fresh_inference_is_trusted(core: Core, settings: Settings) -> None:
    probe = Probe(core.models["tiny"], age_s=1)
    assert [response.status_code for response in await ready(core, settings, probe)] == [200]
    assert probe.checks == 0


async def test_a_stale_model_has_to_compute_and_probes_share_it(core: Core, settings: Settings) -> None:
    probe = Probe(core.models["tiny"], age_s=60)
    responses = await ready(core, settings, probe, requests=5)
    assert [response.status_code for response in responses] == [200] * 5
    assert probe.checks == 1


async def test_a_model_that_cannot_compute_makes_the_server_not_ready(core: Core, settings: Settings) -> None:
    probe = Probe(core.models["tiny"], age_s=60, error=JubakoError(Code.DEADLINE, "hangs"))
    [response] = await ready(core, settings, probe)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    assert "'tiny'" in response.json()["error"]["message"]


async def test_a_client_that_leaves_cancels_its_work(core: Core, settings: Settings) -> None:
    front = Front(behind_the_front, settings)
    front.core = core
    cancelled = asyncio.Event()
    entered = asyncio.Event()

    async def hang(*_: object, **__: object) -> None:
        entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    messages: asyncio.Queue[Message] = asyncio.Queue()
    await messages.put({"type": "http.request", "body": b'{"inputs": ["a"]}', "more_body": False})
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/embed", "headers": []}
    front.core = Core(
        {"tiny": type("Hanging", (), {"manifest": core.models["tiny"].manifest, "embed": hang})()}, settings
    )
    served = asyncio.create_task(front(scope, messages.get, send))
    await entered.wait()
    await messages.put({"type": "http.disconnect"})
    await asyncio.wait_for(served, 5)
    assert cancelled.is_set()
    assert sent == []
