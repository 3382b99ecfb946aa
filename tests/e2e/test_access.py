"""Keys on a real server: over HTTP and gRPC, by our client and by others, and a start that is refused."""

import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from openai import AuthenticationError, OpenAI, PermissionDeniedError, RateLimitError

from bundle.bundle import Bundle
from jubako import AsyncClient, Client, ServerError
from serving.api.docs import specification
from serving.api.scopes import OF_METHOD
from tests.e2e.conftest import Guarded
from tests.e2e.server import Pair, ready, start_with
from tests.jubako.test_client_tls import pair
from wire._generated import encoder_pb2 as pb
from wire._generated.encoder_pb2_grpc import EncoderStub

__all__ = ["pair"]

HEALTH = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
BENTOML = ["/", "/metrics", "/healthz", "/docs.json", "/schema.json", "/static_content/swagger-ui.css", "/nowhere"]
ROUTES = [
    (method.upper(), path.format(name="tiny", version="1"))
    for path, item in specification()["paths"].items()
    for method in item
]
PROTOCOLS = ("http", "grpc")


@pytest.fixture(params=PROTOCOLS)
def url(request: pytest.FixtureRequest, guarded: Guarded) -> str:
    return guarded.server.url if request.param == "http" else f"grpc://{guarded.server.grpc_address}"


@pytest.mark.parametrize(("method", "path"), [*ROUTES, *(("GET", path) for path in BENTOML)])
def test_without_a_key_every_route_but_health_is_401(guarded: Guarded, method: str, path: str) -> None:
    is_open = path in HEALTH or path == "/healthz"
    for headers in ({}, {"authorization": "Bearer wrong"}, {"x-api-key": guarded.keys["all"][:-1]}):
        answer = httpx.request(method, guarded.server.url + path, headers=headers)
        assert answer.status_code == (200 if is_open else 401), path
        assert is_open or answer.headers["www-authenticate"].startswith("Bearer")


def test_with_a_key_bentoml_s_own_routes_are_served(guarded: Guarded) -> None:
    for path in BENTOML:
        expected = {"/metrics": 403, "/nowhere": 404}.get(path, 200)
        answer = httpx.get(guarded.server.url + path, headers=guarded.bearer("all"))
        assert answer.status_code == expected, path
    scraped = httpx.get(f"{guarded.server.url}/metrics", headers=guarded.bearer("scraper"))
    assert 'jubako_request_seconds_count{endpoint="/embed",status="401"}' in scraped.text
    assert 'endpoint="unknown",status="401"' in scraped.text


@pytest.mark.parametrize("path", [*OF_METHOD, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "/a/b"])
def test_without_a_key_every_method_but_health_is_unauthenticated(guarded: Guarded, path: str) -> None:
    is_open = path.endswith(("/Check", "/Watch", "/ServerLive", "/ServerReady"))
    with grpc.insecure_channel(guarded.server.grpc_address) as channel:
        for metadata in ([], [("authorization", "Bearer wrong")]):
            if is_open:
                next(channel.unary_stream(path)(b"", metadata=metadata, timeout=10))
                continue
            with pytest.raises(grpc.RpcError) as caught:
                channel.stream_stream(path)(iter([b""]), metadata=metadata, timeout=10).next()
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_with_a_key_grpc_reflects_and_health_needs_none(guarded: Guarded) -> None:
    with grpc.insecure_channel(guarded.server.grpc_address) as channel:
        checked = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=""))
        assert checked.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError):
            ProtoReflectionDescriptorDatabase(channel).get_services()
        with pytest.raises(grpc.RpcError) as caught:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="bookz"))
        assert "tiny" not in caught.value.details()


def of(call: Callable[[], object]) -> tuple[str, int]:
    with pytest.raises(ServerError) as caught:
        call()
    return caught.value.code, caught.value.status


def test_the_client_brings_its_key_over_both_protocols(guarded: Guarded, url: str) -> None:
    with Client(url, api_key=guarded.keys["embedder"], retries=0) as client:
        assert client.embed(["rice"] * 3).vectors.shape == (3, 32)
        assert client.embed(["rice"] * 300).vectors.shape == (300, 32)
        assert of(client.models) == ("forbidden", 403)
        assert of(lambda: client.classify("rice", candidate_labels=["war", "peace"])) == ("forbidden", 403)
        assert of(lambda: client.embed("rice", model="books")) == ("forbidden", 403)
    for key in (None, "wrong", guarded.keys["embedder"] + "0"):
        with Client(url, api_key=key, retries=0) as client:
            assert of(lambda: client.embed("rice")) == ("unauthenticated", 401)


async def test_so_does_the_one_for_asyncio(guarded: Guarded, url: str) -> None:
    async def met(work: Awaitable[Any]) -> str:
        with pytest.raises(ServerError) as caught:
            await work
        return caught.value.code

    async with AsyncClient(url, api_key=guarded.keys["all"]) as client:
        assert (await client.embed(["rice"] * 300)).vectors.shape == (300, 32)
        assert [model["name"] for model in await client.models()] == ["tiny"]
    async with AsyncClient(url, api_key=guarded.keys["elsewhere"], retries=0) as client:
        assert await client.models() == []
        assert await met(client.embed("rice")) == "forbidden"
    async with AsyncClient(url, retries=0) as client:
        assert await met(client.embed("rice")) == "unauthenticated"


def test_quotas_are_told_in_the_words_of_both_protocols(guarded: Guarded, url: str) -> None:
    with Client(url, api_key=guarded.keys["slow"], retries=0) as client:
        met = [_met(lambda: client.embed("rice")) for _ in range(2)]
        refused = next(error for error in met if error is not None)
    assert (refused.code, refused.status) == ("quota_exceeded", 429)
    assert refused.retry_after_s is not None
    assert 1 <= refused.retry_after_s <= 10
    with Client(url, api_key=guarded.keys["small"], retries=0) as client:
        errors = [_met(lambda: client.embed(["rice"] * 12)) for _ in range(3)]
    assert errors[-1] is not None
    assert errors[-1].code == "quota_exceeded"


def _met(call: Callable[[], object]) -> ServerError | None:
    try:
        call()
    except ServerError as error:
        return error
    return None


def test_openai_s_client_brings_its_key(guarded: Guarded) -> None:
    base = f"{guarded.server.url}/v1"
    with OpenAI(base_url=base, api_key=guarded.keys["embedder"], max_retries=0) as client:
        assert len(client.embeddings.create(model="tiny", input="rice").data[0].embedding) == 32
    for key, error in (("none", AuthenticationError), (guarded.keys["elsewhere"], PermissionDeniedError),
                       (guarded.keys["slow"], RateLimitError)):  # fmt: skip
        with OpenAI(base_url=base, api_key=key, max_retries=0) as client, pytest.raises(error):
            [client.embeddings.create(model="tiny", input="rice") for _ in range(2)]


def test_a_key_that_is_revoked_is_refused_at_once_also_on_an_open_stream(guarded: Guarded, repository: Path) -> None:
    headers, asked = guarded.bearer("leaver"), pb.EmbedStreamRequest(inputs=[pb.Input(text="rice")])
    assert httpx.get(f"{guarded.server.url}/models", headers=headers).status_code == 200

    def requests() -> Any:
        yield asked
        command = [sys.executable, "-m", "jubako", "keys", "revoke", "leaver", "--file", str(guarded.file)]
        subprocess.run(command, check=True, cwd=repository, capture_output=True)
        time.sleep(1.1)  # the file is looked at once a second
        yield asked

    with grpc.insecure_channel(guarded.server.grpc_address) as channel:
        first, second = EncoderStub(channel).EmbedStream(requests(), metadata=list(headers.items()), timeout=30)
    assert (first.WhichOneof("result"), second.error.message) == (
        "response", "the key 'leaver' was revoked or changed; connect again"
    )  # fmt: skip
    assert httpx.get(f"{guarded.server.url}/models", headers=headers).status_code == 401
    assert httpx.get(f"{guarded.server.url}/models", headers=guarded.bearer("all")).status_code == 200


def test_no_log_holds_a_key(guarded: Guarded) -> None:
    httpx.get(f"{guarded.server.url}/models", headers={"x-api-key": guarded.keys["all"] + "x"})
    guarded.server.await_log("GET /models 401")
    log = guarded.server.log.read_text()
    secrets = [key.rsplit("_", 1)[1] for key in guarded.keys.values()]
    assert [line for line in log.splitlines() if any(secret in line for secret in secrets)] == []


def test_a_server_that_strangers_can_reach_does_not_start_without_keys(
    stored_tiny: Bundle, repository: Path, tmp_path: Path
) -> None:
    server = start_with(repository, tmp_path / "log", {"JUBAKO_MODELS": '["tiny"]'}, "--host", "0.0.0.0")
    try:
        assert server.process.wait(60) != 0
        told = server.log.read_text()
        for way in ("jubako keys create", "--host 127.0.0.1", "JUBAKO_ACCESS__REQUIRED=never"):
            assert way in told
    finally:
        server.stop()


def test_http_and_grpc_are_encrypted_with_a_certificate(
    stored_tiny: Bundle, repository: Path, tmp_path: Path, pair: Pair
) -> None:
    tls = {"JUBAKO_GRPC__TLS_KEY": str(pair[0]), "JUBAKO_GRPC__TLS_CERTIFICATE": str(pair[1])}
    with ready(start_with(repository, tmp_path / "log", {"JUBAKO_MODELS": '["tiny"]', **tls}, tls=pair)) as server:
        for url in (server.url, f"grpcs://{server.grpc_address}"):
            with Client(url, ca_file=pair[1]) as client:
                assert client.embed("rice").vectors.shape == (1, 32)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/livez")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{server.port}/livez")
