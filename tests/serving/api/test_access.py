"""Keys over HTTP: every route is behind the gate, and a key opens what it is for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import httpx
import pytest

from serving.access.buckets import Allowance
from serving.access.caller import CALLER, Caller
from serving.access.gate import OPEN, Gate
from serving.access.keyring import Keyring
from serving.access.keys import Key, new_key
from serving.access.records import Endpoint, Quotas
from serving.api import scopes
from serving.api.front import METRICS_PATH, MODEL_ROUTE, OIP_ROUTES, ROUTES, Front
from serving.api.rpc.services import services
from serving.api.rpc.standing import Standing
from serving.core import Core
from serving.errors import JubakoError
from serving.queries import EmbedQuery
from serving.settings import Settings
from tests.serving.access.test_buckets import Time
from tests.serving.access.test_keyring import record_of
from tests.serving.api.conftest import behind_the_front

ALL = [*ROUTES.values(), MODEL_ROUTE, *OIP_ROUTES.values()]
HEALTH = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
GUARDED = [route for route in ALL if route.name not in {*HEALTH, METRICS_PATH}]
OTHERS = ["/", "/docs.json", "/schema.json", "/static_content/swagger-ui.css", "/nowhere", "/v2/nowhere", "//embed",
          "/livez/../embed", "/metrics/../embed", "/Metrics", "/embed/submit", "/models/../../etc/passwd"]  # fmt: skip
BODY = {"inputs": ["rice"]}


@asynccontextmanager
async def gated(
    core: Core | None, settings: Settings, *keys: Key, metrics: bool = False, clock: Any = monotonic, **fields: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client, without a key, of a front that knows these keys."""
    ring = Keyring({key.id: record_of(key, **fields) for key in keys}, None, clock=clock)
    front = Front(behind_the_front, settings, Gate(ring, metrics))
    front.core = core
    transport = httpx.ASGITransport(front, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def bearer(key: Key) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def code(response: httpx.Response) -> str:
    """Return the code of an error, in either shape."""
    error = response.json()["error"]
    return str(error["code"] if isinstance(error, dict) else error.partition(":")[0])


def path_of(name: str) -> str:
    return name.format(name="tiny", version="1")


def test_every_route_and_method_has_its_scope() -> None:
    assert {route.name for route in ALL} - scopes.OF_ROUTE.keys() == {"/docs", "/openapi.json"}
    assert {name for name, endpoints in scopes.OF_ROUTE.items() if endpoints == OPEN} == HEALTH | {"/healthz"}
    methods = {
        f"/{service.name}/{method.name}"
        for service in services(Standing(lambda: None), Settings())
        for method in service.descriptor.methods
    }
    assert methods - scopes.OF_METHOD.keys() == {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}
    assert scopes.of_method("/anything/else") == {Endpoint.DOCS}


@pytest.mark.parametrize("path", [*(path_of(route.name) for route in GUARDED), *OTHERS])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
async def test_without_a_key_nothing_but_health_is_answered(
    core: Core, settings: Settings, path: str, method: str
) -> None:
    async with gated(core, settings, new_key()) as client:
        answers = [
            await client.request(method, path),
            await client.request(method, path, headers={"authorization": "Bearer jbk_000000000000_0"}),
            await client.request(method, path + "/", headers={"x-api-key": "none"}),
        ]
    for answer in answers:
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == 'Bearer realm="jubako"'
        assert method == "HEAD" or code(answer) == "unauthenticated"


@pytest.mark.parametrize("path", sorted(HEALTH | {"/healthz"}))
async def test_health_is_open_and_tells_strangers_no_names(core: Core, settings: Settings, path: str) -> None:
    async with gated(core, settings, new_key()) as client:
        for headers in ({}, {"authorization": "Bearer wrong"}):
            answer = await client.get(path, headers=headers)
            assert answer.status_code == (404 if path == "/healthz" else 200), "404: there is no BentoML behind"
            assert "tiny" not in answer.text


async def test_before_the_models_are_loaded_strangers_are_told_nothing_else(settings: Settings) -> None:
    async with gated(None, settings, new_key()) as client:
        assert (await client.post("/embed", json=BODY)).status_code == 401
        assert (await client.get("/readyz")).status_code == 503


@pytest.mark.parametrize(("metrics", "status"), [(False, 200), (True, 401)], ids=["open", "key"])
async def test_metrics_go_by_their_own_rule(core: Core, settings: Settings, metrics: bool, status: int) -> None:
    key = new_key()
    async with gated(core, settings, key, metrics=metrics, endpoints=["metrics"]) as client:
        assert (await client.get("/metrics")).status_code == status
        assert (await client.get("/metrics", headers=bearer(key))).status_code == 200
        assert (await client.get("/docs", headers=bearer(key))).status_code == 403


ASKS: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "embed": [
        ("POST", "/embed", BODY), ("POST", "/v1/embeddings", {"model": "tiny", "input": "rice"}),
        ("POST", "/v2/models/tiny/infer",
         {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["rice"]}]}),
    ],
    "classify": [
        ("POST", "/classify", {"model": "tales", "inputs": ["a dragon"]}),
        ("POST", "/classify", {"inputs": ["a dragon"], "candidate_labels": ["war", "peace"]}),
        ("POST", "/v2/models/tales/infer",
         {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a dragon"]}]}),
    ],
    "models": [("GET", path, {}) for path in (
        "/models", "/models/tiny", "/v2", "/v2/models/tiny", "/v2/models/tiny/ready", "/v2/models/tiny/config"
    )],
    "docs": [("GET", "/docs", {}), ("GET", "/openapi.json", {}), ("GET", "/schema.json", {})],
}  # fmt: skip


@pytest.mark.parametrize("endpoint", ASKS)
async def test_a_key_opens_what_it_is_for_and_nothing_else(core: Core, settings: Settings, endpoint: str) -> None:
    key = new_key()
    async with gated(core, settings, key, endpoints=[endpoint]) as client:
        for name, asks in ASKS.items():
            for method, path, body in asks:
                answer = await client.request(method, path, json=body or None, headers=bearer(key))
                assert answer.status_code == (200 if name == endpoint else 403), (path, answer.text)
                assert name == endpoint or code(answer) == "forbidden"
        refused = await client.post("/recommend", json={}, headers=bearer(key))
    assert refused.json()["error"]["message"] == f"'team' is not for recommend; it is for {endpoint}"


async def test_a_key_for_some_models_knows_of_no_others(core: Core, settings: Settings) -> None:
    key = new_key()
    async with gated(core, settings, key, models=["ta*"]) as client:
        client.headers.update(bearer(key))
        listed = (await client.get("/models")).json()["models"]
        assert [model["name"] for model in listed] == ["tales"]
        for name in ("notes", "bookz", "tiny%2f..%2ftales", "%2e%2e"):
            assert (await client.get(f"/models/{name}")).status_code == 403
            assert (await client.get(f"/v2/models/{name.split('%2f')[0]}")).status_code == 403
        answered = await client.post("/classify", json={"inputs": ["a dragon"]})
        assert answered.json()["model"] == "tales", "the default is the first that the key may use"
        for body in ({"model": "notes", "inputs": ["a"]}, {"inputs": ["a"], "candidate_labels": ["war", "peace"]}):
            refused = await client.post("/classify", json=body)
            assert (refused.status_code, code(refused)) == (403, "forbidden")
            assert "it may use: ta*" in refused.json()["error"]["message"]
        unknown = await client.post("/classify", json={"model": "talez", "inputs": ["a"]})
        assert unknown.json()["error"]["message"] == "unknown model 'talez'; loaded models: tales"
        assert (await client.post("/embed", json=BODY)).status_code == 403


async def test_requests_over_the_rate_are_told_when_to_come_back(core: Core, settings: Settings) -> None:
    key, time = new_key(), Time()
    async with gated(core, settings, key, clock=time, requests_per_second=0.25, burst=2) as client:
        client.headers.update(bearer(key))
        statuses = [(await client.get("/models")).status_code for _ in range(2)]
        refused = await client.post("/embed", content=b"not even JSON")
        assert (statuses, refused.status_code, code(refused)) == ([200, 200], 429, "quota_exceeded")
        assert refused.headers["retry-after"] == "4"
        assert (await client.get("/livez")).status_code == 200, "health is no request of the key's"
        time.now += 4
        assert (await client.post("/embed", json=BODY)).status_code == 200


async def test_tokens_over_the_quota_are_refused_whole_and_cost_nothing(core: Core, settings: Settings) -> None:
    key, time = new_key(), Time()
    async with gated(core, settings, key, clock=time, tokens_per_minute=50) as client:
        client.headers.update(bearer(key))
        used = (await client.post("/embed", json={"inputs": ["rice"] * 10})).json()["usage"]["tokens"]
        assert used == 30
        refused = await client.post("/embed", json={"inputs": ["rice"] * 10})
        assert (refused.status_code, code(refused)) == (429, "quota_exceeded")
        assert refused.headers["retry-after"] == "12", "10 tokens are missing, and a minute brings 50"
        time.now += 12.1
        assert (await client.post("/embed", json={"inputs": ["rice"] * 10})).status_code == 200
        time.now += 3600
        large = await client.post("/embed", json={"inputs": ["rice"] * 20})
        assert (large.status_code, code(large)) == (413, "too_large")


async def test_a_probe_is_at_the_server_s_own_cost(core: Core) -> None:
    allowance = Allowance(Quotas(tokens_per_minute=1), 1, Time())
    CALLER.set(Caller("", "poor", frozenset(Endpoint), ("*",), allowance))
    await core.models["tiny"].check(5)
    with pytest.raises(JubakoError, match="split it"):
        await core.embed(EmbedQuery(["rice"]))


async def test_a_websocket_without_a_key_is_closed(settings: Settings) -> None:
    front = Front(behind_the_front, settings, Gate(Keyring({}, None)))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await front({"type": "websocket", "path": "/", "headers": []}, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_an_expensive_body_is_not_read_for_a_stranger(core: Core, settings: Settings) -> None:
    front = Front(behind_the_front, settings, Gate(Keyring({}, None)))
    front.core = core
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("it was read")

    async def send(message: Any) -> None:
        sent.append(message)

    await front({"type": "http", "method": "POST", "path": "/embed", "headers": []}, receive, send)
    assert sent[0]["status"] == 401
