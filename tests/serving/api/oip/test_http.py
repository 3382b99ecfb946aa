"""The protocol's endpoints on the wire: metadata, health, JSON and binary bodies."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from serving.api.asgi import Request
from serving.api.oip import bodies
from serving.api.oip.http import ENDPOINTS, template
from serving.api.oip.tensors import Tensor, to_binary
from serving.core import Core
from serving.errors import JubakoError
from serving.settings import Limits
from tests.serving.api.oip.conftest import tensor

LENGTH = "inference-header-content-length"
INFER = "/v2/models/tiny/infer"
OCTETS = {"content-type": "application/octet-stream"}


def in_binary(*texts: str) -> bytes:
    return to_binary(Tensor.of_bytes("text", [text.encode() for text in texts]))


def body_of(head: dict[str, Any], *blobs: bytes) -> tuple[bytes, dict[str, str]]:
    raw = json.dumps(head).encode()
    return b"".join([raw, *blobs]), {LENGTH: str(len(raw)), **OCTETS}


def binary_input(size: object, name: str = "text", shape: list[int] | None = None) -> dict[str, Any]:
    given = {"name": name, "shape": shape or [2], "datatype": "BYTES"}
    return {**given, "parameters": {"binary_data_size": size}}


async def test_the_server_tells_what_it_is(client: httpx.AsyncClient) -> None:
    told = (await client.get("/v2")).json()
    assert told["name"] == "jubako"
    assert told["extensions"] == ["binary_tensor_data", "model_configuration"]


async def test_a_model_tells_its_tensors(client: httpx.AsyncClient) -> None:
    tiny = (await client.get("/v2/models/tiny")).json()
    assert (tiny["name"], tiny["versions"]) == ("tiny", ["1"])
    assert tiny["inputs"][0] == {"name": "text", "datatype": "BYTES", "shape": [-1]}
    assert tiny["outputs"] == [{"name": "embedding", "datatype": "FP32", "shape": [-1, 32]}]
    assert tiny == (await client.get("/v2/models/tiny/versions/1")).json()
    tales = (await client.get("/v2/models/tales")).json()
    assert [(port["name"], port["shape"]) for port in tales["outputs"]] == [
        ("label", [-1, 5]), ("name", [-1, 5]), ("score", [-1, 5]), ("assigned", [-1, 5])
    ]  # fmt: skip
    books = (await client.get("/v2/models/books")).json()
    assert [port["name"] for port in books["inputs"]] == [
        "user", "history", "attributes", "items", "record", "item", "person"
    ]  # fmt: skip


@pytest.mark.parametrize("model", ["tiny", "tales", "books"])
async def test_all_outputs_that_a_model_tells_can_be_requested_together(client: httpx.AsyncClient, model: str) -> None:
    told = (await client.get(f"/v2/models/{model}")).json()
    inputs = [tensor("items", ["101"])] if model == "books" else [tensor("text", ["a dragon"])]
    body = {"inputs": inputs, "outputs": [{"name": port["name"]} for port in told["outputs"]]}
    response = await client.post(f"/v2/models/{model}/infer", json=body)
    for port, output in zip(told["outputs"], response.json()["outputs"], strict=True):
        assert (output["name"], output["datatype"]) == (port["name"], port["datatype"])
        assert len(output["shape"]) == len(port["shape"])
        assert all(size in (-1, found) for size, found in zip(port["shape"], output["shape"], strict=True))


async def test_the_configuration_leaves_the_batch_out(client: httpx.AsyncClient, core: Core) -> None:
    config = (await client.get("/v2/models/tales/config")).json()
    assert config["max_batch_size"] == core.settings.limits.max_inputs
    assert config["input"] == [
        {"name": "text", "data_type": "TYPE_STRING", "dims": [], "optional": False},
        {"name": "record", "data_type": "TYPE_STRING", "dims": [], "optional": True},
    ]
    assert config["output"][2] == {"name": "score", "data_type": "TYPE_FP32", "dims": [5]}
    of_one_person = (await client.get("/v2/models/books/config")).json()
    assert of_one_person["max_batch_size"] == 0
    assert of_one_person["input"][0]["dims"] == [-1]
    assert of_one_person["output"][0]["dims"] == [-1]


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/tiny/ready", "/v2", INFER])
async def test_other_methods_are_told_the_right_one(client: httpx.AsyncClient, path: str) -> None:
    response = await client.put(path)
    assert response.status_code == 405
    assert response.headers["allow"].startswith("POST" if path == INFER else "GET")
    assert response.json()["error"].startswith("wrong_method: ")


async def test_health_is_told(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    assert (await client.get("/v2/models/tiny/versions/1/ready")).json() == {"name": "tiny", "ready": True}
    assert (await client.head("/v2/health/ready")).status_code == 200


async def test_a_server_that_stops_is_not_ready(client: httpx.AsyncClient, core: Core) -> None:
    core.stopping = True
    try:
        for path in ("/v2/health/ready", "/v2/models/tiny/ready"):
            response = await client.get(path)
            assert (response.status_code, response.headers["retry-after"]) == (503, "1")
            assert response.json()["error"].startswith("not_ready: ")
    finally:
        core.stopping = False


@pytest.mark.parametrize(
    "path",
    ["/v2/models/bookz", "/v2/models/bookz/ready", "/v2/models/tiny/versions/2", "/v2/models/tiny/versions/2/ready",
     "/v2/models/tiny/versions/2/config", "/v2/models/a%2Fb"],
)  # fmt: skip
async def test_unknown_models_and_versions_are_not_found(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    code = "unknown_path" if "%2F" in path else "unknown_model"
    assert response.json()["error"].startswith(f"{code}: ")


async def test_names_may_be_percent_encoded(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v2/models/%74iny/ready")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v2/models", "/v2/models/", "/v2/models//ready", "/v2/models/tiny/stats", "/v2/repository/index",
             "/v2/models/tiny/versions/1/ready/now"],
)  # fmt: skip
async def test_unknown_paths_are_told_in_the_protocol_s_words(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert response.json()["error"].startswith("unknown_path: ")


@given(st.text(max_size=30))
def test_any_path_has_a_route_or_none(tail: str) -> None:
    assert isinstance(template(f"/v2/models/{tail}"), str)


def test_routes_are_named_without_what_is_in_a_path() -> None:
    assert template("/v2/models/tiny/infer") == "/v2/models/{name}/infer"
    assert template("/v2/models/tiny/versions/7/infer") == "/v2/models/{name}/versions/{version}/infer"
    assert template("/v2/models/versions/ready") == "/v2/models/{name}/ready"
    assert {template(path.replace("{name}", "a").replace("{version}", "1")) for path in ENDPOINTS} == set(ENDPOINTS)


async def test_every_endpoint_is_in_the_openapi_document(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for path, (method, _) in ENDPOINTS.items():
        operation = document["paths"][path][method.lower()]
        assert {"200", "405", "503", *(["404"] if "{name}" in path else [])} <= operation["responses"].keys()
        in_path = [each for each in operation.get("parameters", []) if each.get("in") == "path"]
        assert [each["name"] for each in in_path] == [name for name in ("name", "version") if f"{{{name}}}" in path]
    example = document["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]["content"]["application/json"]
    assert (await client.post(INFER, json=example["example"])).status_code == 200


async def test_an_answer_names_its_request_model_and_cost(client: httpx.AsyncClient) -> None:
    body = {"id": "seven", "model_name": "tiny", "inputs": [tensor("text", ["hello", "world"])]}
    response = await client.post(INFER, json=body)
    told = response.json()
    assert (told["id"], told["model_name"], told["model_version"]) == ("seven", "tiny", "1")
    assert told["parameters"] == (await client.post("/embed", json={"inputs": ["hello", "world"]})).json()["usage"]
    assert "server-timing" in response.headers
    assert LENGTH not in response.headers
    assert "id" not in (await client.post(INFER, json={"inputs": body["inputs"]})).json()


async def test_binary_tensors_are_read_and_written(client: httpx.AsyncClient) -> None:
    texts = ["hello world", "数据"]
    blob = in_binary(*texts)
    content, headers = body_of({"inputs": [binary_input(len(blob))], "parameters": {"binary_data_output": True}}, blob)
    response = await client.post(INFER, content=content, headers=headers)
    length = int(response.headers[LENGTH])
    head = json.loads(response.content[:length])
    assert response.headers["content-type"] == "application/octet-stream"
    assert head["outputs"] == [
        {"name": "embedding", "datatype": "FP32", "shape": [2, 32], "parameters": {"binary_data_size": 256}}
    ]
    vectors = np.frombuffer(response.content[length:], dtype="<f4").reshape(2, 32)
    told = (await client.post("/embed", json={"inputs": texts})).json()
    np.testing.assert_array_equal(vectors, np.array([item["embedding"] for item in told["data"]], dtype=np.float32))


async def test_each_output_is_binary_or_not_as_it_was_asked_for(client: httpx.AsyncClient) -> None:
    body = {
        "inputs": [tensor("text", ["a dragon"])],
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "label"}, {"name": "score", "parameters": {"binary_data": False}}, {"name": "assigned"}],
    }
    response = await client.post("/v2/models/tales/infer", json=body)
    length = int(response.headers[LENGTH])
    label, score, assigned = json.loads(response.content[:length])["outputs"]
    size = label["parameters"]["binary_data_size"]
    assert len(score["data"]) == 5
    assert assigned["parameters"]["binary_data_size"] == 5
    assert len(response.content) == length + size + 5
    assert set(response.content[length + size :]) <= {0, 1}


BLOB = in_binary("a", "b")
ONE = {"inputs": [binary_input(len(BLOB))]}
REFUSED: list[tuple[str, bytes, dict[str, str], int]] = [
    ("no body", b"", {}, 400),
    ("half a document", b'{"inputs": [', {}, 400),
    ("a list", b"[]", {}, 422),
    ("no inputs", b"{}", {}, 422),
    ("an unknown field", b'{"inputs": [], "input": []}', {}, 422),
    ("a form", b"inputs=a", {"content-type": "application/x-www-form-urlencoded"}, 415),
    ("parameters that are objects", b'{"inputs": [], "parameters": {"k": {}}}', {}, 422),
    ("a shape of floats", b'{"inputs": [{"name": "text", "shape": [1.5], "datatype": "BYTES", "data": []}]}', {}, 422),
    ("a length of nothing", body_of(ONE, BLOB)[0], {LENGTH: "0"}, 400),
    ("a length in words", body_of(ONE, BLOB)[0], {LENGTH: "all"}, 400),
    ("a negative length", body_of(ONE, BLOB)[0], {LENGTH: "-5"}, 400),
    ("a length past the end", body_of(ONE, BLOB)[0], {LENGTH: "100000"}, 400),
    ("a length of many digits", body_of(ONE, BLOB)[0], {LENGTH: "9" * 5000}, 400),
    ("a length inside the JSON", body_of(ONE, BLOB)[0], {LENGTH: "5"}, 400),
    ("binary data without a length", body_of(ONE, BLOB)[0], OCTETS, 415),
    ("too few bytes", *body_of(ONE, BLOB[:-1]), 400),
    ("too many bytes", *body_of(ONE, BLOB, b"!"), 400),
    ("no bytes", *body_of(ONE), 400),
    ("a size in words", *body_of({"inputs": [binary_input("x")]}, BLOB), 400),
    ("a size that is true", *body_of({"inputs": [binary_input(True)]}, BLOB), 400),
    ("a negative size", *body_of({"inputs": [binary_input(-1)]}, BLOB), 400),
    ("data twice", *body_of({"inputs": [{**binary_input(len(BLOB)), "data": ["a", "b"]}]}, BLOB), 422),
    ("no data", json.dumps({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES"}]}).encode(), {}, 422),
    ("shared memory", json.dumps({"inputs": [{**tensor("text", ["a"]), "parameters": {"shared_memory_region": "r"}}]})
     .encode(), {}, 422),
    ("not UTF-8", *body_of({"inputs": [binary_input(5, shape=[1])]}, b"\x01\x00\x00\x00\xff"), 422),
    ("classification", json.dumps({"inputs": [tensor("text", ["a"])],
     "outputs": [{"name": "embedding", "parameters": {"classification": 3}}]}).encode(), {}, 422),
    ("binary or not", json.dumps({"inputs": [tensor("text", ["a"])], "parameters": {"binary_data_output": "yes"}})
     .encode(), {}, 422),
    ("another model", json.dumps({"model_name": "tales", "inputs": [tensor("text", ["a"])]}).encode(), {}, 422),
    ("another version", json.dumps({"model_version": "9", "inputs": [tensor("text", ["a"])]}).encode(), {}, 404),
    ("many inputs", json.dumps({"inputs": [tensor(str(n), []) for n in range(17)]}).encode(), {}, 422),
]  # fmt: skip


@pytest.mark.parametrize(("content", "headers", "status"), [case[1:] for case in REFUSED],
                         ids=[case[0] for case in REFUSED])  # fmt: skip
async def test_bodies_that_cannot_be_read_are_refused(
    client: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    response = await client.post(INFER, content=content, headers=headers)
    assert response.status_code == status, response.text
    told = response.json()["error"]
    assert ": " in told
    assert len(told) < 1000


NAMES = st.sampled_from(["text", "record", "user", "x", ""])
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
INPUTS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "shape": st.lists(st.integers(-1, 2**70), max_size=3),
        "datatype": st.sampled_from(["BYTES", "INT8"]),
    },
    optional={
        "data": st.lists(VALUES | st.lists(VALUES, max_size=2), max_size=3),
        "parameters": st.dictionaries(st.sampled_from(["binary_data_size", "x"]), VALUES, max_size=2),
    },
)
BODIES = st.fixed_dictionaries(
    {"inputs": st.lists(INPUTS, max_size=3)},
    optional={
        "id": st.text(max_size=5),
        "parameters": st.dictionaries(st.sampled_from(["binary_data_output", "k", "task"]), VALUES, max_size=3),
        "outputs": st.lists(st.fixed_dictionaries({"name": NAMES}), max_size=2),
    },
)


def status_of(request: Request) -> int:
    try:
        bodies.read(Limits(), request, "tiny", "")
    except JubakoError as error:
        return error.http_status
    return 200


@given(BODIES, st.binary(max_size=30), st.none() | st.text(max_size=5) | st.integers(-3, 400).map(str))
@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_body_is_read_or_refused(head: dict[str, Any], tail: bytes, length: str | None) -> None:
    raw = json.dumps(head).encode()
    given_length = str(len(raw)) if length == "" else length
    headers = [] if given_length is None else [(LENGTH.encode(), given_length.encode("latin-1", "replace"))]
    assert status_of(Request(INFER, headers, raw + tail)) in (200, 400, 413, 422)


@given(st.binary(max_size=100), st.integers(-3, 100))
def test_any_bytes_are_read_or_refused(content: bytes, length: int) -> None:
    assert status_of(Request(INFER, [(LENGTH.encode(), str(length).encode())], content)) in (200, 400, 413, 422)
