"""The way through gRPC."""

from collections.abc import Iterable, Mapping
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tests.e2e.congruence.arms import Unsayable
from tests.e2e.congruence.calls import Call
from tests.e2e.congruence.outcomes import Outcome, numbers, refused
from wire._generated import encoder_pb2 as pb
from wire._generated import encoder_pb2_grpc

DTYPES = {
    "float32": pb.OUTPUT_DTYPE_FLOAT32, "float16": pb.OUTPUT_DTYPE_FLOAT16, "int8": pb.OUTPUT_DTYPE_INT8,
    "binary": pb.OUTPUT_DTYPE_BINARY,
}  # fmt: skip
ENCODINGS = {"float": pb.ENCODING_FLOATS, "base64": pb.ENCODING_PACKED}
STRATEGIES = {pb.STRATEGY_USER: "user", pb.STRATEGY_ITEMS: "items", pb.STRATEGY_POPULARITY: "popularity"}
KINDS = {pb.Reason.KIND_NEAREST: "nearest", pb.Reason.KIND_SHARED: "shared", pb.Reason.KIND_SCORE: "score"}

TYPES = "the message has a type for each field, and a value of another has no place in it"
NAMES = "the message has no field of this name"
EMPTY = "an empty list is no list"
UNSIGNED = "a count is not negative"


class Grpc:
    """`jubako.v1.Encoder`."""

    name = "gRPC"

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = encoder_pb2_grpc.EncoderStub(channel)

    def ask(self, call: Call) -> Outcome:
        if "misspelt" in call.body:
            raise Unsayable(NAMES)
        body = {name: value for name, value in call.body.items() if value is not None}
        try:
            match call.task:
                case "embed":
                    dtype = body.get("output_dtype", "float32")
                    return _embedded(self._stub.Embed(_embed(body)), dtype)
                case "classify":
                    return _classified(self._stub.Classify(_classify(body)))
                case "recommend":
                    return _recommended(self._stub.Recommend(_recommend(body)), body)
        except grpc.RpcError as error:
            return _error(rpc_status.from_call(error))

    def seen(self, outcome: Outcome) -> Outcome:
        return outcome


def _embed(body: Mapping[str, Any]) -> pb.EmbedRequest:
    options = pb.EmbedOptions(model=body.get("model"), prompt=body.get("prompt"))
    options.output_dtype = _named(DTYPES, body.get("output_dtype", "float32"))
    options.encoding = _named(ENCODINGS, body.get("encoding_format", "float"))
    _copy(body, options, ("dimensions", "normalize", "truncate"))
    return pb.EmbedRequest(inputs=map(_input, body["inputs"]), options=options)


def _classify(body: Mapping[str, Any]) -> pb.ClassifyRequest:
    labels = _listed(body, "candidate_labels")
    request = pb.ClassifyRequest(inputs=map(_input, body["inputs"]), model=body.get("model"), candidate_labels=labels)
    _copy(body, request, ("top_k", "threshold", "truncate"))
    return request


def _recommend(body: Mapping[str, Any]) -> pb.RecommendRequest:
    items = [pb.Item(record=one) if isinstance(one, dict) else pb.Item(id=str(one)) for one in _listed(body, "items")]
    request = pb.RecommendRequest(
        model=body.get("model"), items=items, exclude=map(str, body.get("exclude", ())),
        explain=body.get("explain", False), record=body.get("record"),
    )  # fmt: skip
    _copy(body, request, ("k", "exclude_seen", "diversity"))
    if "user" in body:
        request.user.CopyFrom(_user(body["user"]))
    for condition, fields in body.get("filters", {}).items():
        if condition not in pb.Filters.DESCRIPTOR.fields_by_name:
            raise Unsayable(NAMES)
        request.filters.SetInParent()
        for name, values in fields.items():
            getattr(request.filters, condition)[name].values.extend(values)
    return request


def _input(value: object) -> pb.Input:
    if isinstance(value, dict) and isinstance(value.get("user"), dict):
        return pb.Input(user=_user(value["user"]))
    if isinstance(value, str):
        return pb.Input(text=value)
    if isinstance(value, dict):
        record = pb.Input()
        record.record.update(value)
        record.record.SetInParent()
        return record
    if value is None:
        return pb.Input()
    raise Unsayable(TYPES)


def _user(user: Mapping[str, Any]) -> pb.User:
    message = pb.User(history=map(str, user.get("history", ())))
    if isinstance(user.get("id"), list):
        raise Unsayable(TYPES)
    if user.get("id") is not None:
        message.id = str(user["id"])
    if "attributes" in user:
        message.attributes.update(user["attributes"])
        message.attributes.SetInParent()
    return message


def _copy(body: Mapping[str, Any], message: Any, names: Iterable[str]) -> None:
    for name in names:
        value = body.get(name)
        if isinstance(value, str):
            raise Unsayable(TYPES)
        if isinstance(value, int) and value < 0:
            raise Unsayable(UNSIGNED)
        if value is not None:
            setattr(message, name, value)


def _listed(body: Mapping[str, Any], name: str) -> list[Any]:
    values: list[Any] = body.get(name, [])
    if name in body and not values:
        raise Unsayable(EMPTY)
    return values


def _named(names: Mapping[str, Any], name: str) -> Any:
    if name not in names:
        raise Unsayable(TYPES)
    return names[name]


def _embedded(response: pb.EmbedResponse, dtype: str) -> Outcome:
    data = []
    for item in response.data:
        if item.WhichOneof("result") == "error":
            data.append(_error(item.error))
            continue
        packed = item.WhichOneof("result") == "packed"
        scale = {"scale": item.scale} if item.HasField("scale") else {}
        data.append({"embedding": numbers(item.packed if packed else item.floats.values, dtype), **scale})
    return _headed(response, data=data)


def _classified(response: pb.ClassifyResponse) -> Outcome:
    data = [
        _error(item.error)
        if item.WhichOneof("result") == "error"
        else {"labels": [_fields(each) for each in item.labels.labels]}
        for item in response.data
    ]
    return _headed(response, data=data)


def _recommended(response: pb.RecommendResponse, body: Mapping[str, Any]) -> Outcome:
    items = []
    for item in response.items:
        told: dict[str, Any] = {"id": item.id, "score": item.score}
        if item.HasField("title"):
            told["title"] = item.title
        if body.get("explain"):
            told["reasons"] = [{**_fields(reason), "kind": KINDS[reason.kind]} for reason in item.reasons]
        items.append(told)
    unknown = {"unknown": list(response.unknown)} if response.unknown else {}
    strategy = STRATEGIES[response.strategy]
    return _headed(response, strategy=strategy, cold_start=response.cold_start, items=items, **unknown)


def _headed(response: Any, **told: Any) -> Outcome:
    tokens = int(response.usage.tokens)
    return {"model": response.model, "version": response.version, "usage": {"tokens": tokens}, **told}


def _fields(message: Any) -> dict[str, Any]:
    """Return the fields of a flat message; those without presence are always there."""
    told = {
        field.name: getattr(message, field.name)
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }
    if "values" in told:
        told = {**told, "values": list(told["values"])}
        if not told["values"]:
            del told["values"]
    return told


def _error(status: status_pb2.Status | None) -> Outcome:
    assert status is not None, "an error without details"
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "jubako"
    return refused(info.reason, info.metadata.get("param"))
