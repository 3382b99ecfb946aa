"""The remote methods of gRPC: their paths, how a request is written and its answer read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from jubako.client import messages, replies
from jubako.client.requests import Answer, Operation, Request
from jubako.client.statuses import stream_error
from jubako.errors import HTTP_STATUS, ServerError
from wire._generated import encoder_pb2 as pb

SERVICE = "/jubako.v1.Encoder"
EMBED_STREAM = f"{SERVICE}/EmbedStream"
HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"
"""HealthCheckResponse{status: SERVING}: two bytes are no reason to depend on a package."""


@dataclass(frozen=True)
class Method:
    """A remote method of one message there and one back."""

    path: str
    write: Callable[[Mapping[str, Any]], bytes]
    read: Callable[[bytes], Answer]


def read_answer(request: Request, data: bytes) -> Answer:
    """Return the answer to a request from its message.

    Raises:
        ServerError: `unknown_model`, where a model was asked for that is not among those that are served.
    """
    answer = METHODS[request.operation].read(data)
    return answer if request.operation != "model" else _chosen(answer["models"], request.body["name"])


def write_streamed(request: Request) -> bytes:
    """Return the message of an embed request within a stream."""
    return messages.embed_stream_request(request.body).SerializeToString()


def read_streamed(request: Request, data: bytes) -> Answer:
    """Return the answer to a request within a stream.

    Raises:
        ServerError: the one that this request met.
    """
    response = pb.EmbedStreamResponse.FromString(data)
    if response.HasField("error"):
        raise stream_error(response.error, request.request_id)
    return replies.embed_answer(response.response)


def _method(
    name: str, write: Callable[[Mapping[str, Any]], Message], kind: type[Message], read: Callable[[Any], Answer]
) -> Method:
    return Method(
        f"{SERVICE}/{name}", lambda body: write(body).SerializeToString(), lambda data: read(kind.FromString(data))
    )


def _health(data: bytes) -> Answer:
    if data != SERVING:
        raise ServerError(HTTP_STATUS["not_ready"], "not_ready", "the server does not serve now")
    return {"status": "ready"}


def _chosen(models: list[dict[str, Any]], name: str) -> Answer:
    for model in models:
        if model["name"] == name:
            return model
    loaded = ", ".join(sorted(model["name"] for model in models)) or "none"
    message = f"unknown model {name!r}; loaded models: {loaded}"
    raise ServerError(HTTP_STATUS["unknown_model"], "unknown_model", message, "model")


_LISTED = _method("ListModels", messages.list_request, pb.ListModelsResponse, replies.list_answer)
METHODS: Mapping[Operation, Method] = {
    "embed": _method("Embed", messages.embed_request, pb.EmbedResponse, replies.embed_answer),
    "classify": _method("Classify", messages.classify_request, pb.ClassifyResponse, replies.classify_answer),
    "recommend": _method("Recommend", messages.recommend_request, pb.RecommendResponse, replies.recommend_answer),
    "models": _LISTED,
    "model": _LISTED,
    "ready": Method(HEALTH, lambda body: b"", _health),
}
