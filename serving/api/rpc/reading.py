"""From messages to the bodies that HTTP's requests are held to, so that every limit and default is written once."""

from typing import Any

from serving.api.parsing import validated
from serving.api.recommend_schemas import RecommendBody
from serving.api.rpc.structs import fields_of
from serving.api.schemas import ClassifyBody, EmbedBody
from wire._generated import encoder_pb2 as pb

DTYPES = {
    pb.OUTPUT_DTYPE_UNSPECIFIED: "float32",
    pb.OUTPUT_DTYPE_FLOAT32: "float32",
    pb.OUTPUT_DTYPE_FLOAT16: "float16",
    pb.OUTPUT_DTYPE_INT8: "int8",
    pb.OUTPUT_DTYPE_BINARY: "binary",
}
FORMATS = {pb.ENCODING_UNSPECIFIED: "base64", pb.ENCODING_PACKED: "base64", pb.ENCODING_FLOATS: "float"}
"""base64 is what JSON makes of packed bytes."""


def embed_body(request: pb.EmbedRequest | pb.EmbedStreamRequest, options: pb.EmbedOptions) -> EmbedBody:
    """Return the body of `POST /embed` for an embed request with these options.

    Raises:
        JubakoError: `invalid_value`, naming the field at fault.
    """
    fields: dict[str, Any] = {
        "inputs": [_input(each) for each in request.inputs],
        "model": options.model or None,
        "prompt": options.prompt or None,
        "output_dtype": DTYPES.get(options.output_dtype, options.output_dtype),
        "encoding_format": FORMATS.get(options.encoding, options.encoding),
    }
    if options.HasField("dimensions"):
        fields["dimensions"] = options.dimensions
    if options.HasField("normalize"):
        fields["normalize"] = options.normalize
    if options.HasField("truncate"):
        fields["truncate"] = options.truncate
    return validated(EmbedBody, fields)


def classify_body(request: pb.ClassifyRequest) -> ClassifyBody:
    """Return the body of `POST /classify`.

    Raises:
        JubakoError: `invalid_value`, naming the field at fault.
    """
    fields: dict[str, Any] = {"inputs": [_input(each) for each in request.inputs], "model": request.model or None}
    if request.candidate_labels:
        fields["candidate_labels"] = list(request.candidate_labels)
    _take(request, fields, "top_k", "threshold", "truncate")
    return validated(ClassifyBody, fields)


def recommend_body(request: pb.RecommendRequest) -> RecommendBody:
    """Return the body of `POST /recommend`.

    Raises:
        JubakoError: `invalid_value`, naming the field at fault.
    """
    fields: dict[str, Any] = {"model": request.model or None, "explain": request.explain}
    if request.HasField("user"):
        fields["user"] = _user(request.user)
    if request.items:
        fields["items"] = [_item(each) for each in request.items]
    if request.HasField("record"):
        fields["record"] = fields_of(request.record)
    if request.exclude:
        fields["exclude"] = list(request.exclude)
    if request.HasField("filters"):
        fields["filters"] = _filters(request.filters)
    _take(request, fields, "k", "exclude_seen", "diversity")
    return validated(RecommendBody, fields)


def _take(message: pb.ClassifyRequest | pb.RecommendRequest, fields: dict[str, Any], *names: Any) -> None:
    for name in names:
        if message.HasField(name):
            fields[name] = getattr(message, name)


def _input(given: pb.Input) -> object:
    kind = given.WhichOneof("kind")
    if kind == "text":
        return given.text
    if kind == "record":
        return fields_of(given.record)
    return {"user": _user(given.user)} if kind == "user" else None


def _item(given: pb.Item) -> object:
    kind = given.WhichOneof("kind")
    if kind == "id":
        return given.id
    return fields_of(given.record) if kind == "record" else None


def _user(given: pb.User) -> dict[str, object]:
    user: dict[str, object] = {}
    if given.HasField("id"):
        user["id"] = given.id
    if given.history:
        user["history"] = list(given.history)
    if given.HasField("attributes"):
        user["attributes"] = fields_of(given.attributes)
    return user


def _filters(given: pb.Filters) -> dict[str, dict[str, list[str]]]:
    named = {"required": given.required, "excluded": given.excluded, "any": given.any}
    return {
        name: {field: list(values.values) for field, values in by_field.items()}
        for name, by_field in named.items()
        if by_field
    }
