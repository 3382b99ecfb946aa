"""Pieces of the OpenAPI document that all operations share: the statuses they may answer, and headers both ways."""

from typing import Any

from pydantic import BaseModel

from serving.errors import TABLE, Code

REFERENCE = "#/components/schemas/{model}"

Json = dict[str, Any]

EVERYWHERE = frozenset({400, 405, 408, 413, 415, 500, 503})
"""Statuses of every route: any request may bring a body, and come before the models are loaded."""
KEYED = frozenset({401, 403, 429})
"""Statuses of every route but those for health, where the server needs keys."""
OF_WORK = frozenset({404, 422, 429, 504})
"""Statuses of routes that compute."""

ID = {"type": "string", "pattern": "^[A-Za-z0-9._~:/+=@-]{1,128}$"}
PARAMETERS: dict[str, Json] = {
    "RequestId": {
        "name": "X-Request-ID",
        "in": "header",
        "required": False,
        "description": "Name of the request in the access log; it comes back. One of more than 128 characters, or of "
        "others than letters, digits and `._~:/+=@-`, is passed over.",
        "schema": {"type": "string"},
        "example": "order-4711",
    },
    "RequestTimeout": {
        "name": "X-Request-Timeout-Ms",
        "in": "header",
        "required": False,
        "description": "Milliseconds after which the caller no longer wants the answer; then 504.",
        "schema": {"type": "number", "exclusiveMinimum": 0},
        "example": 2000,
    },
}
HEADERS: dict[str, Json] = {
    "RequestId": {
        "description": "The request's own id, or one that was made for it.",
        "required": True,
        "schema": ID,
    },
    "ServerTiming": {
        "description": "Milliseconds of reading and encoding, of waiting for the device, and of computing.",
        "schema": {"type": "string"},
        "example": "tokenize;dur=0.21, queue;dur=0.05, compute;dur=4.80",
    },
    "RetryAfter": {
        "description": "Whole seconds after which the same request may succeed.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "Challenge": {
        "description": "How a key is to be sent.",
        "required": True,
        "schema": {"type": "string"},
        "example": 'Bearer realm="jubako"',
    },
    "Allow": {"description": "Methods that the path takes.", "required": True, "schema": {"type": "string"}},
    "AcceptEncoding": {
        "description": "With `wrong_encoding`: codings that a body may have.",
        "schema": {"type": "string"},
    },
}
HEADERS_BY_STATUS = {
    "401": {"WWW-Authenticate": "Challenge"},
    "405": {"Allow": "Allow"},
    "415": {"Accept-Encoding": "AcceptEncoding"},
    "429": {"Retry-After": "RetryAfter"},
    "503": {"Retry-After": "RetryAfter"},
}
SECURITY_SCHEMES: dict[str, Json] = {
    "Bearer": {"type": "http", "scheme": "bearer", "description": "A key of `jubako keys create`."},
    "Header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}
SECURITY: list[Json] = [{"Bearer": []}, {"Header": []}, {}]
"""A key in either header; or none, where the server needs none."""


def post(summary: str, body: type[BaseModel], answer: type[BaseModel], example: Json) -> Json:
    """Return the path item of a route that computes."""
    content = {"application/json": {"schema": reference(body), "example": example}}
    operation: Json = {
        "summary": summary,
        "requestBody": {"required": True, "content": content},
        "responses": {"200": response("Success", answer), **errors(EVERYWHERE | KEYED | OF_WORK)},
    }
    return {"post": operation}


def get_health(summary: str, answer: type[BaseModel]) -> Json:
    """Return the path item of a route that anybody may ask."""
    told = {"200": response("Success", answer), **errors(EVERYWHERE)}
    return {"get": {"summary": summary, "security": [], "responses": told}}


def get(summary: str, answer: type[BaseModel], parameter: str | None = None) -> Json:
    """Return the path item of a route that tells something; `parameter` is what its path names."""
    statuses = EVERYWHERE | KEYED if parameter is None else EVERYWHERE | KEYED | {404}
    operation: Json = {"summary": summary, "responses": {"200": response("Success", answer), **errors(statuses)}}
    if parameter is not None:
        named = {"name": parameter, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        operation["parameters"] = [named]
    return {"get": operation}


def get_other(summary: str, content_type: str, kind: str = "string") -> Json:
    """Return the path item of a route that answers no object of the contract's."""
    success = {"description": "Success", "content": {content_type: {"schema": {"type": kind}}}}
    return {"get": {"summary": summary, "responses": {"200": success, **errors(EVERYWHERE | KEYED)}}}


def errors(statuses: frozenset[int]) -> Json:
    """Return the responses of those statuses, each with the codes that it may have."""
    by_status: dict[int, list[Code]] = {}
    for code, mapping in TABLE.items():
        by_status.setdefault(mapping.http, []).append(code)
    told = sorted(statuses & by_status.keys())
    return {str(status): _error(", ".join(by_status[status])) for status in told}


def with_headers(paths: Json) -> Json:
    """Return paths whose operations tell the headers that all of them take and give."""
    return {path: {method: _with_headers(method, operation) for method, operation in item.items()}
            for path, item in paths.items()}  # fmt: skip


def reference(model: type[BaseModel]) -> Json:
    """Return the place of a schema."""
    return {"$ref": REFERENCE.format(model=model.__name__)}


def response(description: str, model: type[BaseModel]) -> Json:
    """Return a response whose body follows a schema."""
    return {"description": description, "content": {"application/json": {"schema": reference(model)}}}


def _error(description: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": {"$ref": ERROR}}}}


ERROR = REFERENCE.format(model="ErrorAnswer")


def _with_headers(method: str, operation: Json) -> Json:
    takes = ["RequestId", "RequestTimeout"] if method == "post" else ["RequestId"]
    parameters = [{"$ref": f"#/components/parameters/{name}"} for name in takes]
    responses = {
        status: {**told, "headers": _headers(method, status)} for status, told in operation["responses"].items()
    }
    return {**operation, "parameters": [*operation.get("parameters", ()), *parameters], "responses": responses}


def _headers(method: str, status: str) -> Json:
    named = {"X-Request-ID": "RequestId", **HEADERS_BY_STATUS.get(status, {})}
    if (method, status) == ("post", "200"):
        named["Server-Timing"] = "ServerTiming"
    return {name: {"$ref": f"#/components/headers/{kept}"} for name, kept in named.items()}
