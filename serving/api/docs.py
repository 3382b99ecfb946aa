"""`GET /openapi.json` and the page at `GET /docs`, both made from the schemas that requests are held to."""

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.api.asgi import Answer, Request, json_answer
from serving.api.recommend_schemas import RecommendBody, RecommendShape
from serving.api.schemas import (
    ClassifyBody,
    ClassifyShape,
    EmbedBody,
    EmbedShape,
    ErrorAnswer,
    OpenAIBody,
    OpenAIShape,
)
from serving.core import Core
from serving.errors import TABLE

DESCRIPTION = "Texts, records and people in; vectors, labels and recommendations out."
REFERENCE = "#/components/schemas/{model}"

CLASSIFY_EXAMPLE = {
    "inputs": [
        {"title": "The Silent Orbit", "description": "A crew wakes near a star that no chart shows."},
        "Two sisters inherit a bookshop by the sea, and the letters hidden in its walls.",
    ],
    "top_k": 3,
}

RECOMMEND_EXAMPLE = {
    "user": {"history": ["101", "205"]},
    "k": 5,
    "filters": {"any": {"tags": ["fantasy", "horror"]}, "excluded": {"author": "Stephen King"}},
    "explain": True,
}

PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Jubako API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static_content/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="static_content/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "openapi.json", dom_id: "#api", deepLinking: true, tryItOutEnabled: true})</script>
</body>
</html>
"""


async def page(core: Core, request: Request) -> Answer:
    """Answer `GET /docs`: the API as a page to read and try, with the Swagger UI that BentoML carries."""
    return Answer(PAGE, content_type=b"text/html; charset=utf-8")


async def openapi(core: Core, request: Request) -> Answer:
    """Answer `GET /openapi.json`."""
    return json_answer(specification())


@cache
def specification() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the contract."""
    models: list[type[BaseModel]] = [
        EmbedBody, EmbedShape, ClassifyBody, ClassifyShape, RecommendBody, RecommendShape, OpenAIBody, OpenAIShape,
        ErrorAnswer,
    ]  # fmt: skip
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jubako",
            "version": "1",
            "description": "Texts and records in, vectors, labels and recommendations out.",
        },
        "paths": {
            "/embed": _post("Embed texts", EmbedBody, EmbedShape, {"inputs": ["hello world", "\u6570\u636e"]}),
            "/classify": _post("Classify texts or records", ClassifyBody, ClassifyShape, CLASSIFY_EXAMPLE),
            "/recommend": _post("Recommend items", RecommendBody, RecommendShape, RECOMMEND_EXAMPLE),
            "/v1/embeddings": _post(
                "Embed texts, in OpenAI's shape", OpenAIBody, OpenAIShape, {"model": "text", "input": "hello world"}
            ),
            "/models": _get("List the loaded models"),
            "/models/{name}": _get("Show the manifest of a model's active version", "name"),
            "/livez": _get("Whether the process is alive"),
            "/readyz": _get("Whether every model has computed something lately"),
            "/metrics": _get("Prometheus metrics"),
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _post(summary: str, body: type[BaseModel], answer: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(body), "example": example}}
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": content},
            "responses": {"200": _response("Success", answer), **_errors()},
        }
    }


def _get(summary: str, parameter: str | None = None) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": summary, "responses": {"200": {"description": "Success"}}}
    if parameter:
        schema = {"name": parameter, "in": "path", "required": True, "schema": {"type": "string"}}
        operation["parameters"] = [schema]
        operation["responses"]["404"] = _response("unknown_model", ErrorAnswer)
    return {"get": operation}


def _errors() -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for code, mapping in TABLE.items():
        by_status.setdefault(str(mapping.http), []).append(code.value)
    return {status: _response(", ".join(codes), ErrorAnswer) for status, codes in sorted(by_status.items())}


def _response(description: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _reference(model)}}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}
