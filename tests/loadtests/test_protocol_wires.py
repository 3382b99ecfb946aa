"""Each protocol's words for a request and an answer, held against what the server reads and writes."""

import json

import numpy as np
import pytest

from loadtests.plan import Plan, Request
from loadtests.protocol_wires import GRPC, HTTP, OIP_GRPC, OIP_HTTP, WIRES, Wire
from serving.api.asgi import Request as HttpRequest
from serving.api.oip import bodies, messages
from serving.api.oip.reading import texts as texts_of
from serving.api.parsing import parse
from serving.api.rpc.reading import embed_body
from serving.api.schemas import EmbedBody
from serving.settings import Limits
from wire._generated import encoder_pb2, predict_pb2

TEXTS = ["short", "été " * 100, "数据"]
VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_http_asks_what_the_server_reads() -> None:
    message = HTTP.write("text", TEXTS)
    assert parse(EmbedBody, message.body, "application/json").inputs == TEXTS


def test_grpc_asks_what_the_server_reads() -> None:
    request = encoder_pb2.EmbedRequest.FromString(GRPC.write("text", TEXTS).body)
    assert embed_body(request, request.options).inputs == TEXTS


def test_open_inference_over_http_asks_what_the_server_reads() -> None:
    message = OIP_HTTP.write("text", TEXTS)
    headers = [(name.encode(), value.encode()) for name, value in message.headers.items()]
    asked, form = bodies.read(Limits(), HttpRequest("", headers, message.body), "text", "")
    assert texts_of(asked.inputs[0]) == TEXTS
    assert form.all_binary


def test_open_inference_over_grpc_asks_what_the_server_reads() -> None:
    request = predict_pb2.ModelInferRequest.FromString(OIP_GRPC.write("text", TEXTS).body)
    asked = messages.read(Limits(), request, 1000.0)
    assert asked.model == "text"
    assert texts_of(asked.inputs[0]) == TEXTS


@pytest.mark.parametrize("wire", [wire for wire in WIRES.values() if not wire.over_grpc], ids=lambda wire: wire.name)
def test_http_requests_are_rendered_with_their_heads(wire: Wire) -> None:
    plan = Plan(80, [Request(json.dumps({"inputs": TEXTS}), 3, 9)], 1, 1.0, path=wire.path_for("text"))
    [rendered] = wire.render(plan, "text")
    head, _, body = rendered.partition(b"\r\n\r\n")
    message = wire.write("text", TEXTS)
    assert body == message.body
    assert head.startswith(f"POST {wire.path_for('text')} HTTP/1.1\r\n".encode())
    assert f"content-length: {len(body)}".encode() in head
    for name, value in message.headers.items():
        assert f"\r\n{name}: {value}".encode() in head


def test_vectors_are_read_from_binary_data_whatever_its_bytes() -> None:
    head = json.dumps({"outputs": [{"name": "embedding", "shape": [3, 2]}]}).encode()
    np.testing.assert_array_equal(OIP_HTTP.read(head + VECTORS.tobytes()), VECTORS)
    braces = np.frombuffer(b"}{}}" * 6, dtype="<f4").reshape(3, 2)
    np.testing.assert_array_equal(OIP_HTTP.read(head + braces.tobytes()), braces)
