"""Schemathesis makes requests from the OpenAPI document and holds a real server's answers to it.

Answers are held to more than the document asks: what it does not tell may not be answered either.
"""

from copy import deepcopy
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from serving.api.docs import specification
from tests.e2e.server import Server

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, negative_data_rejection, unsupported_method,
]  # fmt: skip
REQUESTS = "Body"
"""End of the names of schemas that requests are held to."""


NAMES = ["text", "genres", "papers", "books", "works", "bookz"]


def sharpened(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with answers that may hold nothing but what it tells, and with the names of models."""
    document = deepcopy(document)
    for name, schema in document["components"]["schemas"].items():
        if name.endswith(REQUESTS) and "model" in schema["properties"]:
            schema["properties"]["model"] = {"enum": NAMES if "model" in schema.get("required", ()) else [*NAMES, None]}
        elif not name.endswith(REQUESTS) and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation["parameters"]:
                if parameter.get("name") in PATH_VALUES:
                    parameter["schema"] = {"enum": PATH_VALUES[parameter["name"]]}
    return document


PATH_VALUES = {"name": NAMES, "version": ["1", "2"]}

schema = schemathesis.openapi.from_dict(sharpened(specification()))


@schema.parametrize()
@settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_tells(case: schemathesis.Case[Any], named_server: Server) -> None:
    """A time limit is left out: with a short one 504 is the right answer."""
    case.headers.pop("X-Request-Timeout-Ms", None)
    response = case.call(base_url=named_server.url)
    case.validate_response(response, checks=CHECKS)


def test_the_served_document_is_the_one_that_is_tested(named_server: Server) -> None:
    assert httpx.get(f"{named_server.url}/openapi.json").json() == specification()


EXAMPLES = [
    (path, operation["requestBody"]["content"]["application/json"]["example"])
    for path, item in specification()["paths"].items()
    for operation in item.values()
    if "requestBody" in operation
]


@pytest.mark.parametrize(("path", "example"), EXAMPLES, ids=[path for path, _ in EXAMPLES])
def test_every_example_of_the_document_is_answered(named_server: Server, path: str, example: dict[str, Any]) -> None:
    url = named_server.url + path.format(name="text", version="1")
    response = httpx.post(url, json=example)
    assert response.status_code == 200, response.text
