"""`GET /openapi.json` and the page at `GET /docs`, both made from the schemas that requests are held to."""

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.api import openapi as pieces
from serving.api.asgi import Answer, Request, json_answer
from serving.api.model_schemas import Alive, ModelDescription, ModelList, ModelsReady
from serving.api.oip import openapi as oip
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

DESCRIPTION = """Texts, records and people in; vectors, labels and recommendations out.

Bodies may be compressed (`Content-Encoding`: gzip, deflate or zstd), and answers are for clients that accept it. GET
routes answer HEAD, and every route OPTIONS. Of a key that comes twice in a JSON object the last value counts."""

EMBED_EXAMPLE = {"inputs": ["hello world", "\u6570\u636e"]}
OPENAI_EXAMPLE = {"model": "text", "input": "hello world"}
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
<script>if (location.pathname.endsWith("/")) location.replace(location.pathname.slice(0, -1) + location.hash)</script>
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
        ModelList, ModelDescription, Alive, ModelsReady, ErrorAnswer, *oip.SCHEMAS,
    ]  # fmt: skip
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=pieces.REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Jubako", "version": "1", "description": DESCRIPTION},
        "paths": pieces.with_headers({**_paths(), **oip.paths(pieces.REFERENCE)}),
        "security": pieces.SECURITY,
        "components": {
            "schemas": schemas["$defs"],
            "parameters": pieces.PARAMETERS,
            "headers": pieces.HEADERS,
            "securitySchemes": pieces.SECURITY_SCHEMES,
        },
    }


def _paths() -> dict[str, Any]:
    get, get_other, post = pieces.get, pieces.get_other, pieces.post
    return {
        "/embed": post("Embed texts, items and people", EmbedBody, EmbedShape, EMBED_EXAMPLE),
        "/classify": post("Classify texts or records", ClassifyBody, ClassifyShape, CLASSIFY_EXAMPLE),
        "/recommend": post("Recommend items", RecommendBody, RecommendShape, RECOMMEND_EXAMPLE),
        "/v1/embeddings": post("Embed texts, in OpenAI's shape", OpenAIBody, OpenAIShape, OPENAI_EXAMPLE),
        "/models": get("List the loaded models", ModelList),
        "/models/{name}": get("Show a model's active version and its manifest", ModelDescription, "name"),
        "/livez": pieces.get_health("Whether the process is alive", Alive),
        "/readyz": pieces.get_health("Whether every model has computed something lately", ModelsReady),
        "/metrics": get_other("Prometheus metrics", "text/plain"),
        "/docs": get_other("This document as a page", "text/html"),
        "/openapi.json": get_other("This document", "application/json", kind="object"),
    }
