"""From the JSON of the HTTP contract to the messages of `proto/jubako/v1/encoder.proto`.

A value that a message cannot hold is refused as the server refuses it over HTTP.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, NullValue, Struct, Value

from jubako.errors import ServerError
from wire._generated import encoder_pb2 as pb

DTYPES = {
    "float32": pb.OUTPUT_DTYPE_FLOAT32,
    "float16": pb.OUTPUT_DTYPE_FLOAT16,
    "int8": pb.OUTPUT_DTYPE_INT8,
    "binary": pb.OUTPUT_DTYPE_BINARY,
}


def embed_request(body: Mapping[str, Any]) -> pb.EmbedRequest:
    """Return the message of an embed request."""
    return pb.EmbedRequest(inputs=_inputs(body["inputs"]), options=_embed_options(body))


def embed_stream_request(body: Mapping[str, Any]) -> pb.EmbedStreamRequest:
    """Return the message of an embed request that travels in a stream."""
    return pb.EmbedStreamRequest(inputs=_inputs(body["inputs"]), options=_embed_options(body))


def classify_request(body: Mapping[str, Any]) -> pb.ClassifyRequest:
    """Return the message of a classify request."""
    message = pb.ClassifyRequest(inputs=_inputs(body["inputs"]))
    _fill(message, body, "model", "top_k", "threshold", "truncate")
    for label in body.get("candidate_labels", ()):
        if not isinstance(label, str):
            raise _refused("candidate_labels", "a label is a string")
        message.candidate_labels.append(label)
    return message


def recommend_request(body: Mapping[str, Any]) -> pb.RecommendRequest:
    """Return the message of a recommend request."""
    message = pb.RecommendRequest()
    _fill(message, body, "model", "k", "exclude_seen", "diversity", "explain")
    if "user" in body:
        message.user.CopyFrom(_user(body["user"]))
    for place, item in enumerate(body.get("items", ())):
        message.items.append(_item(item, f"items.{place}"))
    if "items" in body and not body["items"]:
        raise _refused("items", "items is empty; send at least one, or leave it out")
    if "record" in body:
        message.record.CopyFrom(_struct(body["record"], "record"))
    message.exclude.extend(_ids(body.get("exclude", ()), "exclude"))
    if "filters" in body:
        _fill_filters(message.filters, body["filters"])
    return message


def list_request(body: Mapping[str, Any]) -> pb.ListModelsRequest:
    """Return the message that asks what is served."""
    return pb.ListModelsRequest()


def _inputs(values: Sequence[Any]) -> list[pb.Input]:
    return [_input(value, f"inputs.{place}") for place, value in enumerate(values)]


def _input(value: object, param: str) -> pb.Input:
    if isinstance(value, str):
        return pb.Input(text=value)
    if isinstance(value, Mapping):
        return pb.Input(record=_struct(value, param))
    return pb.Input() if value is None else pb.Input(text=_id(value, param))


def _embed_options(body: Mapping[str, Any]) -> pb.EmbedOptions:
    options = pb.EmbedOptions()
    _fill(options, body, "model", "prompt", "dimensions", "normalize", "truncate")
    dtype = body.get("output_dtype", "float32")
    if dtype not in DTYPES:
        raise _refused("output_dtype", f"output_dtype is one of {', '.join(DTYPES)}, not {dtype!r}")
    options.output_dtype = DTYPES[dtype]
    return options


def _user(value: Mapping[str, Any]) -> pb.User:
    unknown = value.keys() - {"id", "history", "attributes"}
    if unknown:
        name = min(unknown)
        raise _refused(f"user.{name}", f"unknown field {name!r}; a user has id, history, attributes")
    user = pb.User(history=_ids(value.get("history") or (), "user.history"))
    if value.get("id") is not None:
        user.id = _id(value["id"], "user.id")
    if value.get("attributes") is not None:
        user.attributes.CopyFrom(_struct(value["attributes"], "user.attributes"))
    return user


def _item(value: object, param: str) -> pb.Item:
    if isinstance(value, Mapping):
        return pb.Item(record=_struct(value, param))
    return pb.Item(id=_id(value, param))


def _ids(values: object, param: str) -> list[str]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise _refused(param, f"{param} must be a list of ids")
    return [_id(value, f"{param}.{place}") for place, value in enumerate(values)]


def _id(value: object, param: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _refused(param, f"an id is a string or an integer, not {type(value).__name__}")


def _fill_filters(message: pb.Filters, filters: Mapping[str, Any]) -> None:
    for kind, fields in filters.items():
        if kind not in ("required", "excluded", "any"):
            raise _refused(f"filters.{kind}", f"unknown filter {kind!r}; there are required, excluded, any")
        if not isinstance(fields, Mapping):
            raise _refused(f"filters.{kind}", f"filters.{kind} is an object of fields with values")
        for name, values in fields.items():
            listed = values if isinstance(values, list | tuple) else [values]
            getattr(message, kind)[str(name)].values.extend(_ids(listed, f"filters.{kind}.{name}"))


def _fill(message: Message, body: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if name in body:
            try:
                setattr(message, name, body[name])
            except (TypeError, ValueError) as error:
                raise _refused(name, f"{name}: {error}") from error


def _struct(value: object, param: str) -> Struct:
    if not isinstance(value, Mapping):
        raise _refused(param, f"{param} must be an object, not {type(value).__name__}")
    return Struct(fields={str(name): _value(each, f"{param}.{name}") for name, each in value.items()})


def _value(value: object, param: str) -> Value:
    match value:
        case None:
            return Value(null_value=NullValue.NULL_VALUE)
        case bool():
            return Value(bool_value=value)
        case int() | float():
            return Value(number_value=value)
        case str():
            return Value(string_value=value)
        case Mapping():
            return Value(struct_value=_struct(value, param))
        case list() | tuple():
            return Value(list_value=ListValue(values=[_value(each, param) for each in value]))
    raise _refused(param, f"{type(value).__name__} cannot be sent; send text, numbers, lists and objects of them")


def _refused(param: str, message: str) -> ServerError:
    return ServerError(422, "invalid_value", message, param)
