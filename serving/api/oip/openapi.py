"""What the OpenAPI document tells of the protocol."""

from typing import Any

from pydantic import BaseModel

from serving.access.gate import OPEN
from serving.api import openapi
from serving.api.oip.http import ENDPOINTS
from serving.api.oip.schemas import (
    InferBody,
    InferShape,
    LiveShape,
    ModelConfigShape,
    ModelShape,
    OipError,
    ReadyShape,
    ServerShape,
)
from serving.api.scopes import of_route

SCHEMAS: list[type[BaseModel]] = [
    InferBody, InferShape, ServerShape, ModelShape, ModelConfigShape, LiveShape, ReadyShape, OipError,
]  # fmt: skip
SUMMARIES: list[tuple[str, str, type[BaseModel]]] = [
    ("/v2", "Open inference protocol: the server", ServerShape),
    ("/v2/health/live", "Open inference protocol: whether the process is alive", LiveShape),
    ("/v2/health/ready", "Open inference protocol: whether every model has computed something lately", ReadyShape),
    ("/ready", "Open inference protocol: whether a model has computed something lately", ReadyShape),
    ("/config", "Triton's model configuration, as far as load generators read it", ModelConfigShape),
    ("/infer", "Open inference protocol: named tensors in, named tensors out", InferShape),
    ("", "Open inference protocol: the tensors that a model takes and gives", ModelShape),
]
"""The end of a path, what it is for, and its answer; the first that fits."""
EXAMPLE = {
    "inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["hello world", "\u6570\u636e"]}],
    "outputs": [{"name": "embedding"}],
}
OCTETS = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def paths(reference: str) -> dict[str, Any]:
    """Return the `paths` of the protocol; `reference` is where a schema is, with `{model}` for its name."""
    return {path: {method.lower(): _operation(path, method, reference)} for path, (method, _) in ENDPOINTS.items()}


def _operation(path: str, method: str, reference: str) -> dict[str, Any]:
    summary, answer = next((summary, answer) for end, summary, answer in SUMMARIES if path.endswith(end))
    named = [name for name in ("name", "version") if f"{{{name}}}" in path]
    is_open = of_route(path) == OPEN
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            "200": _response("Success", answer, reference),
            **_errors(reference, _statuses(method, named, is_open)),
        },
    }
    if is_open:
        operation["security"] = []
    if named:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in named
        ]
    if method == "POST":
        schema = {"$ref": reference.format(model=InferBody.__name__)}
        content = {"application/json": {"schema": schema, "example": EXAMPLE}}
        operation["requestBody"] = {"required": True, "content": content}
        operation["responses"]["200"]["content"] |= OCTETS
    return operation


def _statuses(method: str, named: list[str], is_open: bool) -> frozenset[int]:
    if is_open:
        return openapi.EVERYWHERE
    always = openapi.EVERYWHERE | openapi.KEYED
    if method == "POST":
        return always | openapi.OF_WORK
    return always | {404} if named else always


def _errors(reference: str, statuses: frozenset[int]) -> dict[str, Any]:
    told = openapi.errors(statuses)
    return {status: _response(each["description"], OipError, reference) for status, each in told.items()}


def _response(description: str, model: type[BaseModel], reference: str) -> dict[str, Any]:
    schema = {"$ref": reference.format(model=model.__name__)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
