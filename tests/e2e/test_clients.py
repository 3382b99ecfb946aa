"""The clients people use, against a real server."""

import bentoml
import httpx
import numpy as np
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.bundle import Bundle
from jubako import AsyncClient, Client, ServerError
from tests.e2e.server import Server
from tests.tiny import embed_directly

TEXTS = ["hello world", "数据", "", "a box of rice and trays"]


@pytest.fixture(scope="module")
def expected(tiny: Bundle) -> np.ndarray:
    return embed_directly(tiny.root, TEXTS)


def test_http(tiny_server: Server, expected: np.ndarray) -> None:
    body = httpx.post(f"{tiny_server.url}/embed", json={"inputs": TEXTS}).json()
    np.testing.assert_allclose([item["embedding"] for item in body["data"]], expected, atol=1e-6)


def test_jubako_client(tiny_server: Server, expected: np.ndarray) -> None:
    with Client(tiny_server.url) as client:
        answer = client.embed(TEXTS)
        np.testing.assert_allclose(answer.vectors, expected, atol=1e-6)
        assert (answer.model, answer.version, answer.errors) == ("tiny", "1", {})
        assert client.embed("rice", dimensions=8).vectors.shape == (1, 8)
        assert client.models()[0]["name"] == client.model("tiny")["name"] == "tiny"
        with pytest.raises(ServerError) as caught:
            client.embed("rice", model="bookz")
    assert (caught.value.status, caught.value.code, caught.value.param) == (404, "unknown_model", "model")


def test_jubako_client_tells_errors_of_single_inputs(tiny_server: Server) -> None:
    with Client(tiny_server.url) as client:
        answer = client.embed(["rice", "of " * 500], truncate=False)
    assert answer.errors[1].code == "too_long"
    assert np.isfinite(answer.vectors[0]).all()
    assert np.isnan(answer.vectors[1]).all()


async def test_jubako_async_client(tiny_server: Server, expected: np.ndarray) -> None:
    async with AsyncClient(tiny_server.url) as client:
        np.testing.assert_allclose((await client.embed(TEXTS)).vectors, expected, atol=1e-6)
        assert [model["name"] for model in await client.models()] == ["tiny"]
        assert (await client.model("tiny"))["manifest"]["name"] == "tiny"


def test_openai_client(tiny_server: Server, expected: np.ndarray) -> None:
    """By default the client asks for base64 and decodes it; asked for floats it takes them as they come."""
    with openai.OpenAI(base_url=f"{tiny_server.url}/v1", api_key="none") as client:
        answer = client.embeddings.create(model="tiny", input=TEXTS)
        floats = client.embeddings.create(model="tiny", input=TEXTS, encoding_format="float")
    np.testing.assert_allclose([item.embedding for item in answer.data], expected, atol=1e-6)
    np.testing.assert_allclose([item.embedding for item in floats.data], expected, atol=1e-6)
    assert answer.usage.total_tokens > 0


def test_openai_client_reads_our_errors(tiny_server: Server) -> None:
    with (
        openai.OpenAI(base_url=f"{tiny_server.url}/v1", api_key="none") as client,
        pytest.raises(openai.NotFoundError, match="loaded models: tiny"),
    ):
        client.embeddings.create(model="text-embedding-3-small", input="rice")


def test_bentoml_client(tiny_server: Server, expected: np.ndarray) -> None:
    with bentoml.SyncHTTPClient(tiny_server.url) as client:
        answer = client.embed(inputs=TEXTS)
    np.testing.assert_allclose([item["embedding"] for item in answer["data"]], expected, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(texts=st.lists(st.text(st.sampled_from("abcdehlorstuw 数据é\n"), max_size=60), min_size=2, max_size=30))
def test_a_vector_does_not_depend_on_its_batch(tiny_server: Server, texts: list[str]) -> None:
    with Client(tiny_server.url) as client:
        together = client.embed(texts).vectors
        alone = np.concatenate([client.embed(text).vectors for text in texts])
    assert np.einsum("rd,rd->r", together, alone).min() >= 0.9999


def test_metrics_tell_what_was_computed(tiny_server: Server) -> None:
    httpx.post(f"{tiny_server.url}/embed", json={"inputs": TEXTS})
    httpx.post(f"{tiny_server.url}/embed", json={"inputs": 5})
    text = httpx.get(f"{tiny_server.url}/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    tokens, padded = (float(values[f'jubako_{name}_total{{model="tiny"}}']) for name in ("tokens", "padded_tokens"))
    assert 0 < tokens <= padded
    assert float(values['jubako_request_seconds_count{endpoint="/embed",status="422"}']) >= 1
    assert float(values['jubako_queue_tokens{model="tiny"}']) == 0


def test_the_access_log_tells_every_request(tiny_server: Server) -> None:
    httpx.post(f"{tiny_server.url}/embed", json={"inputs": ["x"] * 101, "dimensions": 3})
    httpx.get(f"{tiny_server.url}/models/nothing")
    for _ in range(50):
        log = tiny_server.log.read_text()
        if "GET /models/nothing 404" in log and "POST /embed 200" in log:
            return
        httpx.get(f"{tiny_server.url}/livez")
    raise AssertionError(log)
