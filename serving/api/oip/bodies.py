"""Bodies of inference over HTTP: JSON, and the binary data of tensors after it.

The header `inference-header-content-length` tells where the JSON ends; without it all of the body is JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.api.asgi import Answer, Request, json_answer
from serving.api.oip.inference import Inference, Inferred, Parameter
from serving.api.oip.schemas import InferBody, InferInput
from serving.api.oip.tensors import Form, Tensor, from_binary, from_json, most_elements, to_binary, to_json
from serving.api.parsing import parse
from serving.api.timing import server_timing, timeout_ms
from serving.errors import Code, JubakoError
from serving.settings import Limits

LENGTH_HEADER = b"inference-header-content-length"
LENGTH_DIGITS = 12
OCTETS = b"application/octet-stream"
BINARY_SIZE, BINARY, ALL_BINARY = "binary_data_size", "binary_data", "binary_data_output"


@dataclass(frozen=True)
class AnswerForm:
    """How a request wants to be answered."""

    id: str | None
    binary: Mapping[str, bool]
    """For outputs that were asked for: whether they come after the JSON."""
    all_binary: bool
    """The same for any other output."""


def read(limits: Limits, request: Request, name: str, version: str) -> tuple[Inference, AnswerForm]:
    """Return what a request for this model asks for.

    Raises:
        JubakoError: `malformed` when the body is no JSON or its binary data do not fit, `invalid_value`, `too_large`.
    """
    head, binary = _divided(request)
    body = parse(InferBody, head, None if binary else request.header(b"content-type"))
    if body.model_name not in (None, "", name):
        message = f"the body is for model {body.model_name!r}, the path for {name!r}; name one of them"
        raise JubakoError(Code.INVALID_VALUE, message, param="model_name")
    parameters = dict(body.parameters or {})
    all_binary = _flag("the request", ALL_BINARY, parameters.pop(ALL_BINARY, False))
    as_binary = {}
    for output in body.outputs or ():
        given = output.parameters or {}
        _refuse_others(output.name, given, BINARY)
        as_binary[output.name] = _flag(output.name, BINARY, given.get(BINARY, all_binary))
    asked = Inference(
        model=name,
        version=version or body.model_version or "",
        inputs=_tensors(body.inputs, binary, most_elements(limits)),
        outputs=[output.name for output in body.outputs or ()],
        parameters=parameters,
        timeout_ms=timeout_ms(request),
    )
    return asked, AnswerForm(body.id, as_binary, all_binary)


def write(inferred: Inferred, form: AnswerForm) -> Answer:
    """Return the answer to an inference request."""
    manifest = inferred.model.manifest
    outputs: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for tensor in inferred.outputs:
        told: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if form.binary.get(tensor.name, form.all_binary):
            blobs.append(to_binary(tensor))
            outputs.append({**told, "parameters": {BINARY_SIZE: len(blobs[-1])}})
        else:
            outputs.append({**told, "data": to_json(tensor)})
    head = json_answer(
        {
            "model_name": manifest.name,
            "model_version": manifest.version,
            **({"id": form.id} if form.id else {}),
            "parameters": {"tokens": inferred.tokens},
            "outputs": outputs,
        },
        headers=[server_timing(inferred.timed)],
    )
    if not blobs:
        return head
    length = (LENGTH_HEADER, b"%d" % len(head.body))
    body = b"".join([head.body, *blobs])
    return Answer(body, content_type=OCTETS, headers=[*head.headers, length], dense=len(body) > 2 * len(head.body))


def _divided(request: Request) -> tuple[bytes, memoryview | None]:
    """Return the JSON of a body and what comes after it; None: the request says that nothing does."""
    given = request.header(LENGTH_HEADER)
    if given is None:
        return request.body, None
    whole = memoryview(request.body)
    if not (given.isascii() and given.isdigit() and len(given) <= LENGTH_DIGITS and 0 < int(given) <= len(whole)):
        message = f"{LENGTH_HEADER.decode()} is {given[:40]!r}, of a body of {len(whole)} bytes"
        raise JubakoError(Code.MALFORMED, f"{message}; it is the length of the JSON in front, in bytes")
    return bytes(whole[: int(given)]), whole[int(given) :]


def _tensors(inputs: list[InferInput], binary: memoryview | None, most: int) -> list[Tensor]:
    binary = memoryview(b"") if binary is None else binary
    tensors = []
    at = 0
    for given in inputs:
        form = Form(given.name, given.datatype, tuple(given.shape))
        size = _binary_size(given, len(binary) - at)
        if size is None:
            tensors.append(from_json(form, given.data or [], most))
        else:
            tensors.append(from_binary(form, binary[at : at + size], most))
            at += size
    if at != len(binary):
        message = f"{len(binary)} bytes come after the JSON, and the inputs' {BINARY_SIZE} add up to {at}"
        raise JubakoError(Code.MALFORMED, message)
    return tensors


def _binary_size(given: InferInput, there: int) -> int | None:
    """Return how many of the bytes that are there belong to a tensor; None: its data is in the JSON."""
    parameters = given.parameters or {}
    _refuse_others(given.name, parameters, BINARY_SIZE)
    size = parameters.get(BINARY_SIZE)
    if (size is None) == (given.data is None):
        message = f"{given.name} takes either data or the parameter {BINARY_SIZE}; send one of them"
        raise JubakoError(Code.INVALID_VALUE, message, param=given.name)
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= there:
        message = f"{given.name} has {BINARY_SIZE} {str(size)[:40]}, and {there} bytes are left after the JSON"
        raise JubakoError(Code.MALFORMED, message, param=given.name)
    return size


def _flag(name: str, key: str, value: Parameter) -> bool:
    if not isinstance(value, bool):
        raise JubakoError(Code.INVALID_VALUE, f"{key} of {name} has to be true or false", param=key)
    return value


def _refuse_others(name: str, parameters: Mapping[str, Parameter], known: str) -> None:
    for key in parameters:
        if key != known:
            message = f"unknown parameter {key[:80]!r} of {name}; there is {known}"
            raise JubakoError(Code.INVALID_VALUE, message, param=key[:80])
