"""From the messages of `proto/jubako/v1/encoder.proto` to the JSON of the HTTP contract, vectors as bytes."""

from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict

from jubako.client.requests import Answer
from jubako.client.statuses import error_body
from wire._generated import encoder_pb2 as pb


def embed_answer(message: pb.EmbedResponse) -> Answer:
    """Return the answer to an embed request, vectors as bytes."""
    return _answer(message, [_embedding(place, item) for place, item in enumerate(message.data)])


def classify_answer(message: pb.ClassifyResponse) -> Answer:
    """Return the answer to a classify request."""
    data: list[dict[str, Any]] = []
    for place, item in enumerate(message.data):
        if item.HasField("error"):
            data.append({"index": place, "error": error_body(item.error)})
            continue
        scores = _shortest([label.score for label in item.labels.labels])
        labels = [
            {"label": label.label, "name": label.name, "score": score, "assigned": label.assigned}
            for label, score in zip(item.labels.labels, scores, strict=True)
        ]
        data.append({"index": place, "labels": labels})
    return _answer(message, data)


def recommend_answer(message: pb.RecommendResponse) -> Answer:
    """Return the answer to a recommend request."""
    return {
        "model": message.model,
        "version": message.version,
        "strategy": _name(pb.Strategy.Name(message.strategy)),
        "cold_start": message.cold_start,
        "unknown": list(message.unknown),
        "items": [_recommended(item) for item in message.items],
        "usage": {"tokens": message.usage.tokens},
    }


def list_answer(message: pb.ListModelsResponse) -> Answer:
    """Return what is served."""
    return {"models": [_plain(MessageToDict(model)) for model in message.models]}


def _answer(message: pb.EmbedResponse | pb.ClassifyResponse, data: list[dict[str, Any]]) -> Answer:
    usage = {"tokens": message.usage.tokens}
    return {"model": message.model, "version": message.version, "data": data, "usage": usage}


def _embedding(place: int, item: pb.Embedding) -> dict[str, Any]:
    kind = item.WhichOneof("result")
    if kind == "error":
        return {"index": place, "error": error_body(item.error)}
    told: dict[str, Any] = {"index": place, "embedding": item.packed}
    if item.HasField("scale"):
        told["scale"] = item.scale
    return told


def _recommended(item: pb.RecommendedItem) -> dict[str, Any]:
    told: dict[str, Any] = {"id": item.id, "score": _shortest([item.score])[0]}
    if item.HasField("title"):
        told["title"] = item.title
    if item.reasons:
        told["reasons"] = [_reason(reason) for reason in item.reasons]
    return told


def _reason(reason: pb.Reason) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": _name(pb.Reason.Kind.Name(reason.kind))}
    for name in ("id", "title", "field"):
        if reason.HasField(name):
            told[name] = getattr(reason, name)
    for name in ("similarity", "cosine", "popularity"):
        if reason.HasField(name):
            [told[name]] = _shortest([getattr(reason, name)])
    if reason.values:
        told["values"] = list(reason.values)
    return told


def _plain(value: Any) -> Any:
    """Turn the whole numbers of a Struct, which knows floats only, into integers."""
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case float() if value.is_integer():
            return int(value)
    return value


def _shortest(values: list[float]) -> list[float]:
    """Return float32 values as the doubles with the fewest digits, as JSON tells them."""
    return [float(str(value)) for value in np.array(values, dtype=np.float32)]


def _name(constant: str) -> str:
    return constant.split("_", 1)[1].lower()
