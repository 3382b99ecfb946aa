"""Triton's own clients against a real server: both transports, blocking and asyncio, JSON and binary, compressed."""

import json
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_grpc_aio
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_http_aio
from tritonclient.utils import InferenceServerException

from bundle.bundle import Bundle
from tests.e2e.server import Server, running
from tests.tiny import embed_directly

TEXTS = ["hello world", "数据", "", "a box of rice and trays"] * 8
BOOKS = "small-books"


@pytest.fixture(scope="module")
def server(
    stored_tiny: Bundle,
    stored_tales: Bundle,
    exported_books: Bundle,
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    with running(repository, log, JUBAKO_MODELS=f'["tiny", "tales", "{BOOKS}"]') as server:
        yield server


@pytest.fixture
def over_http(server: Server) -> Iterator[Any]:
    client = triton_http.InferenceServerClient(server.url.removeprefix("http://"))
    yield client
    client.close()


@pytest.fixture
def over_grpc(server: Server) -> Iterator[Any]:
    with triton_grpc.InferenceServerClient(server.grpc_address) as client:
        yield client


@pytest.fixture(params=["over_http", "over_grpc"])
def client(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def expected(tiny: Bundle) -> np.ndarray:
    return embed_directly(tiny.root, TEXTS)


def given(kind: Any, name: str, values: list[str], **options: Any) -> Any:
    array = np.array([value.encode() for value in values], dtype=np.object_)
    return kind.InferInput(name, [len(values)], "BYTES").set_data_from_numpy(array, **options)


def kind_of(client: Any) -> Any:
    return triton_grpc if isinstance(client, triton_grpc.InferenceServerClient) else triton_http


def strings(answer: Any, name: str) -> Any:
    return np.char.decode(answer.as_numpy(name).astype(np.bytes_))


def test_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "1")
    as_json = {} if kind_of(client) is triton_http else {"as_json": True}
    assert client.get_server_metadata(**as_json)["name"] == "jubako"
    metadata = client.get_model_metadata("tiny", **as_json)
    assert [int(size) for size in metadata["outputs"][0]["shape"]] == [-1, 32]
    config = client.get_model_config("tiny", **as_json)
    assert (config if kind_of(client) is triton_http else config["config"])["max_batch_size"] == 2048


def test_vectors_are_the_graph_s(client: Any, expected: np.ndarray) -> None:
    answer = client.infer("tiny", [given(kind_of(client), "text", TEXTS)], request_id="seven")
    np.testing.assert_allclose(answer.as_numpy("embedding"), expected, atol=1e-6)
    assert (answer.get_response()["id"] if kind_of(client) is triton_http else answer.get_response().id) == "seven"


@pytest.mark.parametrize(("dtype", "kind"), [("float16", np.float16), ("int8", np.int8), ("binary", np.uint8)])
def test_vectors_come_in_each_dtype(client: Any, expected: np.ndarray, dtype: str, kind: type) -> None:
    answer = client.infer("tiny", [given(kind_of(client), "text", TEXTS)], parameters={"output_dtype": dtype})
    vectors = answer.as_numpy("embedding")
    assert vectors.dtype == kind
    if dtype == "binary":
        np.testing.assert_array_equal(vectors, np.packbits(expected > 0, axis=1))
    else:
        scale = answer.as_numpy("scale")[:, None] if dtype == "int8" else 1.0
        np.testing.assert_allclose(vectors.astype(np.float32) * scale, expected, atol=5e-3)


def test_labels(client: Any, server: Server) -> None:
    kind = kind_of(client)
    told = httpx.post(f"{server.url}/classify", json={"inputs": ["a dragon"], "model": "tales", "top_k": 3}).json()
    outputs = [kind.InferRequestedOutput(name) for name in ("score", "label", "assigned")]
    answer = client.infer("tales", [given(kind, "text", ["a dragon"])], outputs=outputs, parameters={"top_k": 3})
    labels = told["data"][0]["labels"]
    assert strings(answer, "label").tolist() == [[label["label"] for label in labels]]
    assert answer.as_numpy("assigned").tolist() == [[label["assigned"] for label in labels]]
    scores = np.array([[label["score"] for label in labels]], dtype=np.float32)
    np.testing.assert_array_equal(answer.as_numpy("score"), scores)
    assert answer.as_numpy("name") is None


def test_recommendations(client: Any, server: Server) -> None:
    kind = kind_of(client)
    popular = client.infer(BOOKS, [], parameters={"k": 3})
    assert strings(popular, "strategy").tolist() == ["popularity"]
    ids = strings(popular, "id").tolist()
    told = httpx.post(f"{server.url}/recommend", json={"model": BOOKS, "items": ids, "k": 5, "explain": True}).json()
    answer = client.infer(BOOKS, [given(kind, "items", ids)], parameters={"k": 5, "explain": True})
    assert strings(answer, "id").tolist() == [item["id"] for item in told["items"]]
    assert json.loads(answer.as_numpy("reasons")[0]) == told["items"][0]["reasons"]
    assert answer.as_numpy("unknown").shape == (0,)
    vectors = client.infer(BOOKS, [given(kind, "item", ids)]).as_numpy("embedding")
    assert vectors.shape[0] == 3


def test_an_error_tells_its_code_and_what_to_do(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="unknown model 'bookz'; loaded models") as found:
        client.infer("bookz", [given(kind_of(client), "text", ["a"])])
    assert found.value.status() in ("404", "StatusCode.NOT_FOUND")
    with pytest.raises(InferenceServerException, match="unknown parameter"):
        client.infer("tiny", [given(kind_of(client), "text", ["a"])], priority=1)


def test_a_time_limit_is_held(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="deadline") as found:
        client.infer("tiny", [given(kind_of(client), "text", ["a"])], timeout=1)
    assert found.value.status() in ("504", "StatusCode.DEADLINE_EXCEEDED")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_json_and_binary_tensors_mix(over_http: Any, expected: np.ndarray, binary_in: bool, binary_out: bool) -> None:
    inputs = [given(triton_http, "text", TEXTS, binary_data=binary_in)]
    outputs = [triton_http.InferRequestedOutput("embedding", binary_data=binary_out)]
    answer = over_http.infer("tiny", inputs, outputs=outputs)
    assert ("data" in answer.get_output("embedding")) is not binary_out
    np.testing.assert_allclose(answer.as_numpy("embedding"), expected, atol=1e-6)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_bodies(client: Any, expected: np.ndarray, algorithm: str) -> None:
    kind = kind_of(client)
    both = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}
    options = both if kind is triton_http else {"compression_algorithm": algorithm}
    answer = client.infer("tiny", [given(kind, "text", TEXTS)], **options)
    np.testing.assert_allclose(answer.as_numpy("embedding"), expected, atol=1e-6)


def test_requests_that_are_not_waited_for(over_http: Any, over_grpc: Any, expected: np.ndarray) -> None:
    pending = [over_http.async_infer("tiny", [given(triton_http, "text", TEXTS)]) for _ in range(4)]
    answered: queue.Queue[tuple[Any, Any]] = queue.Queue()
    for _ in range(4):
        over_grpc.async_infer(
            "tiny", [given(triton_grpc, "text", TEXTS)], lambda result, error: answered.put((result, error))
        )
    answers = [each.get_result() for each in pending]
    for _ in range(4):
        answer, error = answered.get(timeout=30)
        assert error is None
        answers.append(answer)
    for answer in answers:
        np.testing.assert_allclose(answer.as_numpy("embedding"), expected, atol=1e-6)


def test_streams_are_not_served(over_grpc: Any) -> None:
    errors: queue.Queue[Any] = queue.Queue()
    over_grpc.start_stream(lambda result, error: errors.put(error))
    assert errors.get(timeout=30).status() == "StatusCode.UNIMPLEMENTED"
    over_grpc.stop_stream()


async def test_the_asyncio_clients(server: Server, expected: np.ndarray) -> None:
    async with triton_http_aio.InferenceServerClient(server.url.removeprefix("http://")) as http:
        assert await http.is_server_ready()
        answer = await http.infer("tiny", [given(triton_http_aio, "text", TEXTS)])
        np.testing.assert_allclose(answer.as_numpy("embedding"), expected, atol=1e-6)
    async with triton_grpc_aio.InferenceServerClient(server.grpc_address) as grpc:
        assert await grpc.is_model_ready("tales")
        answer = await grpc.infer("tiny", [given(triton_grpc_aio, "text", TEXTS)])
        np.testing.assert_allclose(answer.as_numpy("embedding"), expected, atol=1e-6)


def test_metrics_and_paths_name_routes_and_not_models(server: Server) -> None:
    httpx.get(f"{server.url}/v2/models/tiny/ready")
    text = httpx.get(f"{server.url}/metrics").text
    assert 'endpoint="/v2/models/{name}/ready"' in text
    assert 'endpoint="/v2/models/tiny' not in text
