"""The clients of others, against a real server."""

import bentoml
import httpx
import numpy as np
import openai
import pytest

from bundle.bundle import Bundle
from tests.e2e.server import Server
from tests.tiny import embed_directly

TEXTS = ["hello world", "数据", "", "a box of rice and trays"]


@pytest.fixture(scope="module")
def expected(tiny: Bundle) -> np.ndarray:
    return embed_directly(tiny.root, TEXTS)


def test_http(tiny_server: Server, expected: np.ndarray) -> None:
    body = httpx.post(f"{tiny_server.url}/embed", json={"inputs": TEXTS}).json()
    np.testing.assert_allclose([item["embedding"] for item in body["data"]], expected, atol=1e-6)


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


def test_metrics_tell_what_was_computed(tiny_server: Server) -> None:
    httpx.post(f"{tiny_server.url}/embed", json={"inputs": TEXTS})
    httpx.post(f"{tiny_server.url}/embed", json={"inputs": 5})
    text = httpx.get(f"{tiny_server.url}/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    tokens, padded = (
        float(values[f'jubako_{name}_total{{model="tiny",version="1"}}']) for name in ("tokens", "padded_tokens")
    )
    assert 0 < tokens <= padded
    assert float(values['jubako_request_seconds_count{endpoint="/embed",status="422"}']) >= 1
    assert float(values['jubako_queue_tokens{model="tiny"}']) == 0


def test_the_access_log_tells_every_request(tiny_server: Server) -> None:
    httpx.post(f"{tiny_server.url}/embed", json={"inputs": ["x"] * 101, "dimensions": 8})
    httpx.get(f"{tiny_server.url}/models/nothing")
    tiny_server.await_log("GET /models/nothing 404", "POST /embed 200")
