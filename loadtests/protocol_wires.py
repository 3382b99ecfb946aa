"""One request for vectors in the words of each protocol, and the vectors in its answer."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import grpc
import numpy as np
from numpy.typing import NDArray

from bundle.golden import cosine_rows
from loadtests.answers import MIN_COSINE
from loadtests.plan import Plan, http_request
from loadtests.servers import Server
from wire._generated import encoder_pb2, predict_pb2

Vectors = NDArray[np.float32]  # [texts, dimensions]

EMBED_STREAM = "/jubako.v1.Encoder/EmbedStream"
ANSWER_S = 60.0
LENGTH_HEADER = "inference-header-content-length"


@dataclass(frozen=True)
class Message:
    """A request's body, and what its head has beside the usual."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wire:
    """A protocol, as a client with default options speaks it."""

    name: str
    title: str
    over_grpc: bool
    path: str
    """Of the endpoint or the method; `{model}` stands for the model's name."""
    write: Callable[[str, Sequence[str]], Message]
    """From the model's name and the texts."""
    read: Callable[[bytes], Vectors]

    def path_for(self, model: str) -> str:
        """Return the path for a model."""
        return self.path.format(model=model)

    def render(self, plan: Plan, model: str) -> list[bytes]:
        """Return what is sent for each request of a plan, whose bodies are those of `POST /embed`.

        Over gRPC these are messages, and the library puts the rest around them.
        """
        messages = [self.write(model, json.loads(request.body)["inputs"]) for request in plan.requests]
        if self.over_grpc:
            return [message.body for message in messages]
        return [http_request(plan, message.body, _lines(message.headers)) for message in messages]

    def ask(self, server: Server, model: str, texts: Sequence[str]) -> Vectors:
        """Return the vectors that a server answers."""
        ask = _ask_grpc if self.over_grpc else _ask_http
        return self.read(ask(server, self.path_for(model), self.write(model, texts)))

    def check(self, server: Server, model: str, texts: Sequence[str], vectors: Vectors) -> None:
        """Compare a server's answers to single texts with the graph's own vectors of the first of them.

        Raises:
            ValueError: a vector is not the graph's.
        """
        found = np.concatenate([self.ask(server, model, [text]) for text in texts[: len(vectors)]])
        worst = float(cosine_rows(found, vectors).min())
        if not worst >= MIN_COSINE:
            raise ValueError(f"other vectors than the graph's are answered over {self.title}: cosine {worst:.5f}")


def _ask_http(server: Server, path: str, message: Message) -> bytes:
    headers = {"content-type": "application/json", **message.headers}
    with urlopen(HttpRequest(f"http://127.0.0.1:{server.port}{path}", message.body, headers), timeout=ANSWER_S) as told:
        return bytes(told.read())


def _ask_grpc(server: Server, path: str, message: Message) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        return bytes(channel.unary_unary(path)(message.body, timeout=ANSWER_S))


def _lines(headers: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _write_json(model: str, texts: Sequence[str]) -> Message:
    return Message(json.dumps({"inputs": list(texts)}).encode())


def _read_json(body: bytes) -> Vectors:
    return np.array([item["embedding"] for item in json.loads(body)["data"]], dtype=np.float32)


def _write_embed(model: str, texts: Sequence[str]) -> Message:
    inputs = [encoder_pb2.Input(text=text) for text in texts]
    return Message(encoder_pb2.EmbedRequest(inputs=inputs).SerializeToString())


def _read_embed(body: bytes) -> Vectors:
    data = encoder_pb2.EmbedResponse.FromString(body).data
    return np.stack([np.frombuffer(item.packed, dtype="<f4") for item in data])


def _tensor(texts: Sequence[str]) -> bytes:
    """Return texts as binary data of a BYTES tensor: each after its length in four bytes."""
    encoded = [text.encode() for text in texts]
    return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)


def _write_binary(model: str, texts: Sequence[str]) -> Message:
    data = _tensor(texts)
    tensor = {
        "name": "text", "datatype": "BYTES", "shape": [len(texts)], "parameters": {"binary_data_size": len(data)},
    }  # fmt: skip
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return Message(head + data, {LENGTH_HEADER: str(len(head))})


def _read_binary(body: bytes) -> Vectors:
    head, length = json.JSONDecoder().raw_decode(body.decode("latin-1"))  # a character for each byte
    return np.frombuffer(body[length:], dtype="<f4").reshape(head["outputs"][0]["shape"])


def _write_infer(model: str, texts: Sequence[str]) -> Message:
    tensor = predict_pb2.ModelInferRequest.InferInputTensor(name="text", datatype="BYTES", shape=[len(texts)])
    request = predict_pb2.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[_tensor(texts)])
    return Message(request.SerializeToString())


def _read_infer(body: bytes) -> Vectors:
    response = predict_pb2.ModelInferResponse.FromString(body)
    return np.frombuffer(response.raw_output_contents[0], dtype="<f4").reshape(response.outputs[0].shape)


HTTP = Wire("http", "HTTP", False, "/embed", _write_json, _read_json)
GRPC = Wire("grpc", "gRPC", True, "/jubako.v1.Encoder/Embed", _write_embed, _read_embed)
OIP_HTTP = Wire(
    "oip-http", "open inference over HTTP", False, "/v2/models/{model}/infer", _write_binary, _read_binary
)  # fmt: skip
OIP_GRPC = Wire(
    "oip-grpc",
    "open inference over gRPC",
    True,
    "/inference.GRPCInferenceService/ModelInfer",
    _write_infer,
    _read_infer,
)
WIRES = {wire.name: wire for wire in (HTTP, GRPC, OIP_HTTP, OIP_GRPC)}
