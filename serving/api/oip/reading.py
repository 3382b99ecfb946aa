"""From tensors to what the bodies of the HTTP contract hold: texts, records, ids and people."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from serving.api.oip.tensors import BYTES, Tensor
from serving.errors import Code, JubakoError


def one_of(inputs: Mapping[str, Tensor], names: Sequence[str]) -> tuple[str, list[Any]]:
    """Return the one tensor, of these names, whose elements are the inputs of a request: its name and what they are.

    Raises:
        JubakoError: `invalid_value`: there is none or another, or its shape or elements are none of a list of inputs.
    """
    if len(inputs) != 1:
        there = " and ".join(inputs) or "no tensor"
        message = f"{there} came in, and a request is answered for one: send {' or '.join(names)}"
        raise JubakoError(Code.INVALID_VALUE, message, param=[*inputs, *names][min(len(inputs), 1)])
    [tensor] = inputs.values()
    match tensor.name:
        case "record":
            return tensor.name, objects(tensor)
        case "person":
            return tensor.name, [{"user": person} for person in objects(tensor)]
        case "item":
            return tensor.name, ids(tensor)
        case _:
            return tensor.name, texts(tensor)


def asked(inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return user, items and record of a recommend request, whichever there are.

    Raises:
        JubakoError: `invalid_value`.
    """
    body: dict[str, Any] = {}
    user: dict[str, Any] = {}
    for name, tensor in inputs.items():
        match name:
            case "user":
                user["id"] = _single(tensor, ids(tensor))
            case "history":
                user["history"] = ids(tensor)
            case "attributes":
                user["attributes"] = _single(tensor, objects(tensor))
            case "items":
                body["items"] = ids(tensor)
            case "record":
                body["record"] = _single(tensor, objects(tensor))
    return {**body, "user": user} if user else body


def texts(tensor: Tensor) -> list[str]:
    """Return the elements of a BYTES tensor as strings.

    Raises:
        JubakoError: `invalid_value`, naming the element that is not UTF-8.
    """
    if not isinstance(tensor.elements, list):
        message = f"{tensor.name} is {tensor.datatype}; send it as {BYTES}"
        raise JubakoError(Code.INVALID_VALUE, message, param=tensor.name)
    _check_shape(tensor)
    return [_decoded(tensor.name, place, element) for place, element in enumerate(tensor.elements)]


def ids(tensor: Tensor) -> list[str | int]:
    """Return the elements of a tensor of ids.

    Raises:
        JubakoError: as `texts`.
    """
    if isinstance(tensor.elements, list):
        return [*texts(tensor)]
    _check_shape(tensor)
    numbers: list[str | int] = tensor.elements.tolist()
    return numbers


def objects(tensor: Tensor) -> list[dict[str, Any]]:
    """Return the elements of a tensor of JSON objects.

    Raises:
        JubakoError: `invalid_value`, naming the element that is none.
    """
    return [_object(f"{tensor.name}.{place}", text) for place, text in enumerate(texts(tensor))]


def json_options(options: Mapping[str, object], names: Iterable[str]) -> dict[str, Any]:
    """Return the options of these names, which come as strings of JSON, as what they hold.

    Raises:
        JubakoError: `invalid_value`.
    """
    return {name: _parsed(name, options[name]) for name in names if name in options}


def _object(param: str, text: str) -> dict[str, Any]:
    value = _parsed(param, text)
    if not isinstance(value, dict):
        raise JubakoError(Code.INVALID_VALUE, f"{param} has to hold a JSON object", param=param)
    return value


def _parsed(param: str, text: object) -> Any:
    if not isinstance(text, str):
        raise JubakoError(Code.INVALID_VALUE, f"{param} has to be a string that holds JSON, not {text!r}", param=param)
    try:
        return from_json(text)
    except ValueError as error:
        raise JubakoError(Code.INVALID_VALUE, f"{param} does not hold valid JSON: {error}", param=param) from error


def _decoded(name: str, place: int, element: bytes) -> str:
    try:
        return element.decode()
    except UnicodeDecodeError as error:
        param = f"{name}.{place}"
        raise JubakoError(Code.INVALID_VALUE, f"{param} is not UTF-8: {error.reason}", param=param) from error


def _single(tensor: Tensor, values: list[Any]) -> Any:
    if len(values) != 1:
        message = f"{tensor.name} has {len(values)} elements; a request is for one person, send one"
        raise JubakoError(Code.INVALID_VALUE, message, param=tensor.name)
    return values[0]


def _check_shape(tensor: Tensor) -> None:
    """Let through [n] and what clients that batch everything make of it: [n, 1] and [1, n]; a scalar is one element."""
    if len(tensor.shape) > 2 or (len(tensor.shape) == 2 and 1 not in tensor.shape):
        message = f"{tensor.name} has the shape {list(tensor.shape)}; send [n] or [n, 1]"
        raise JubakoError(Code.INVALID_VALUE, message, param=tensor.name)
