"""Everything a client can send wrong gets a clear 4xx: the code, what to do, and the parameter at fault."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from serving.api.front import Front
from serving.core import Core
from tests.serving.api.conftest import behind_the_front

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Case:
    name: str
    body: bytes
    status: int
    code: str
    param: str | None = None
    path: str = "/embed"


def dumps(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


CASES = [
    Case("empty body", b"", 400, "malformed"),
    Case("half a document", b'{"inputs": ["a"', 400, "malformed"),
    Case("two documents", b'{"inputs": ["a"]} {}', 400, "malformed"),
    Case("not UTF-8", b'{"inputs": ["\xff\xfe"]}', 400, "malformed"),
    Case("a raw null byte", b'{"inputs": ["a\x00b"]}', 400, "malformed"),
    Case("half a surrogate pair", b'{"inputs": ["\\ud800"]}', 400, "malformed"),
    Case("brackets without end", b"[" * 100_000, 400, "malformed"),
    Case("objects without end", b'{"inputs":' * 10_000, 400, "malformed"),
    Case("a list too deep", b'{"inputs": ' + b"[" * 300 + b"]" * 300 + b"}", 400, "malformed"),
    Case("a deep list", b'{"inputs": ' + b"[" * 100 + b"]" * 100 + b"}", 422, "invalid_value", "inputs.0"),
    Case("UTF-16", '{"inputs": ["a"]}'.encode("utf-16"), 400, "malformed"),
    Case("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf" + b'{"inputs": ["a"]}', 400, "malformed"),
    Case("single quotes", b"{'inputs': ['a']}", 400, "malformed"),
    Case("a comma too many", b'{"inputs": ["a"],}', 400, "malformed"),
    Case("a comment", b'{"inputs": ["a"]} // greetings', 400, "malformed"),
    Case("the second half of a surrogate pair", b'{"inputs": ["\\udc00"]}', 400, "malformed"),
    Case("a surrogate pair the wrong way round", b'{"inputs": ["\\udc00\\ud800"]}', 400, "malformed"),
    Case("a key that is half a surrogate pair", b'{"inputs": ["a"], "\\ud800": 1}', 400, "malformed"),
    Case("a key without end", dumps(inputs=["a"], **{"k" * 100_000: 1}), 422, "invalid_value", "k" * 199 + "…"),
    Case("a null byte in a key", dumps(inputs=["a"], **{"trun\0cate": True}), 422, "invalid_value", "trun\0cate"),
    Case("the second of two values wrong", b'{"inputs": ["a"], "inputs": 5}', 422, "invalid_value", "inputs"),
    Case("a list", b"[1]", 422, "invalid_value"),
    Case("null", b"null", 422, "invalid_value"),
    Case("no inputs", b"{}", 422, "invalid_value", "inputs"),
    Case("inputs null", dumps(inputs=None), 422, "invalid_value", "inputs"),
    Case("inputs a number", dumps(inputs=5), 422, "invalid_value", "inputs"),
    Case("inputs an object", dumps(inputs={"a": 1}), 422, "invalid_value", "inputs"),
    Case("inputs empty", dumps(inputs=[]), 422, "invalid_value", "inputs"),
    Case("a number among the inputs", dumps(inputs=[5]), 422, "invalid_value", "inputs.0"),
    Case("NaN among the inputs", b'{"inputs": [NaN]}', 422, "invalid_value", "inputs.0"),
    Case("a list among the inputs", dumps(inputs=[["a"]]), 422, "invalid_value", "inputs.0"),
    Case("too many inputs", dumps(inputs=["a"] * 10_000), 413, "too_large", "inputs"),
    Case("too large a body", dumps(inputs=["a" * 300_000]), 413, "too_large"),
    Case("a misspelt field", dumps(inputs=["a"], dimension=3), 422, "invalid_value", "dimension"),
    Case("unknown model", dumps(inputs=["a"], model="bookz"), 404, "unknown_model", "model"),
    Case("model a number", dumps(inputs=["a"], model=7), 422, "invalid_value", "model"),
    Case("unknown prompt", dumps(inputs=["a"], prompt="query"), 422, "invalid_value", "prompt"),
    Case("a model's name without end", dumps(inputs=["a"], model="a" * 100_000), 404, "unknown_model", "model"),
    Case("a model with a null byte", dumps(inputs=["a"], model="tiny\0"), 404, "unknown_model", "model"),
    Case("a model of no name", dumps(inputs=["a"], model=""), 404, "unknown_model", "model"),
    Case("dimensions in quotes", dumps(inputs=["a"], dimensions="8"), 422, "invalid_value", "dimensions"),
    Case("dimensions true", dumps(inputs=["a"], dimensions=True), 422, "invalid_value", "dimensions"),
    Case("dimensions with a point", dumps(inputs=["a"], dimensions=8.0), 422, "invalid_value", "dimensions"),
    Case("dimensions below zero", dumps(inputs=["a"], dimensions=-1), 422, "invalid_value", "dimensions"),
    Case("huge dimensions", dumps(inputs=["a"], dimensions=2**63), 422, "invalid_value", "dimensions"),
    Case("enormous dimensions", b'{"inputs": ["a"], "dimensions": 1%b}' % (b"0" * 4000), 422, "invalid_value",
         "dimensions"),
    Case("dimensions without end", b'{"inputs": ["a"], "dimensions": 1%b}' % (b"0" * 9000), 400, "malformed"),
    Case("dimensions infinite", b'{"inputs": ["a"], "dimensions": Infinity}', 422, "invalid_value", "dimensions"),
    Case("dimensions beyond floats", b'{"inputs": ["a"], "dimensions": 1e999}', 422, "invalid_value", "dimensions"),
    Case("an untrained size", dumps(inputs=["a"], dimensions=7), 422, "invalid_value", "dimensions"),
    Case("truncate a number", dumps(inputs=["a"], truncate=1), 422, "invalid_value", "truncate"),
    Case("no dimensions", dumps(inputs=["a"], dimensions=0), 422, "invalid_value", "dimensions"),
    Case("more dimensions than there are", dumps(inputs=["a"], dimensions=33), 422, "invalid_value", "dimensions"),
    Case("dimensions NaN", b'{"inputs": ["a"], "dimensions": NaN}', 422, "invalid_value", "dimensions"),
    Case("unknown encoding", dumps(inputs=["a"], encoding_format="hex"), 422, "invalid_value", "encoding_format"),
    Case("unknown dtype", dumps(inputs=["a"], output_dtype="int4"), 422, "invalid_value", "output_dtype"),
    Case("truncate a word", dumps(inputs=["a"], truncate="maybe"), 422, "invalid_value", "truncate"),
    Case("not normalised", dumps(inputs=["a"], normalize=False), 422, "invalid_value", "normalize"),
    Case("nothing to classify", b"{}", 422, "invalid_value", "inputs", "/classify"),
    Case("inputs to classify null", dumps(inputs=None), 422, "invalid_value", "inputs", "/classify"),
    Case("a number to classify", dumps(inputs=5), 422, "invalid_value", "inputs", "/classify"),
    Case("inputs to classify empty", dumps(inputs=[]), 422, "invalid_value", "inputs", "/classify"),
    Case("half a document to classify", b'{"inputs": ["a"', 400, "malformed", None, "/classify"),
    Case("a number among the records", dumps(inputs=[5]), 422, "invalid_value", "inputs.0", "/classify"),
    Case("null among the records", dumps(inputs=[None]), 422, "invalid_value", "inputs.0", "/classify"),
    Case("a list among the records", dumps(inputs=[["a"]]), 422, "invalid_value", "inputs.0", "/classify"),
    Case("a blank text", dumps(inputs="  \n"), 422, "invalid_value", "inputs.0", "/classify"),
    Case("a text of nothing but markup", dumps(inputs="<p> </p>&nbsp;"), 422, "invalid_value", "inputs.0", "/classify"),
    Case("an empty record", dumps(inputs={}), 422, "invalid_value", "inputs.0.description", "/classify"),
    Case("a record without text", dumps(inputs=[{"author": "Le Guin"}]), 422, "invalid_value", "inputs.0.description",
         "/classify"),
    Case("a misspelt field of a record", dumps(inputs=[{"titel": "x"}]), 422, "invalid_value", "inputs.0.titel",
         "/classify"),
    Case("a paper's field of a book", dumps(inputs=[{"title": "x", "abstract": "y"}]), 422, "invalid_value",
         "inputs.0.abstract", "/classify"),
    Case("a title that is a number", dumps(inputs=[{"title": 5}]), 422, "invalid_value", "inputs.0.title", "/classify"),
    Case("too many records", dumps(inputs=["a"] * 10_000), 413, "too_large", "inputs", "/classify"),
    Case("a field that is only /embed's", dumps(inputs=["a"], dimensions=3), 422, "invalid_value", "dimensions",
         "/classify"),
    Case("an unknown classifier", dumps(inputs=["a"], model="bookz"), 404, "unknown_model", "model", "/classify"),
    Case("a model that cannot classify", dumps(inputs=["a"], model="tiny"), 404, "unknown_model", "model", "/classify"),
    Case("a model that cannot embed", dumps(inputs=["a"], model="tales"), 404, "unknown_model", "model"),
    Case("no labels", dumps(inputs=["a"], top_k=0), 422, "invalid_value", "top_k", "/classify"),
    Case("half a label", dumps(inputs=["a"], top_k=1.5), 422, "invalid_value", "top_k", "/classify"),
    Case("a threshold below 0", dumps(inputs=["a"], threshold=-0.1), 422, "invalid_value", "threshold", "/classify"),
    Case("a threshold above 1", dumps(inputs=["a"], threshold=1.1), 422, "invalid_value", "threshold", "/classify"),
    Case("threshold infinite", b'{"inputs": ["a"], "threshold": -Infinity}', 422, "invalid_value", "threshold",
         "/classify"),
    Case("enormous top_k of another kind", b'{"inputs": ["a"], "top_k": 1e999}', 422, "invalid_value", "top_k",
         "/classify"),
    Case("threshold in quotes", dumps(inputs=["a"], threshold="0.5"), 422, "invalid_value", "threshold", "/classify"),
    Case("threshold NaN", b'{"inputs": ["a"], "threshold": NaN}', 422, "invalid_value", "threshold", "/classify"),
    Case("one candidate", dumps(inputs=["a"], candidate_labels=["x"]), 422, "invalid_value", "candidate_labels",
         "/classify"),
    Case("many candidates", dumps(inputs=["a"], candidate_labels=[str(n) for n in range(65)]), 422, "invalid_value",
         "candidate_labels", "/classify"),
    Case("a candidate twice", dumps(inputs=["a"], candidate_labels=["x", "y", "x "]), 422, "invalid_value",
         "candidate_labels", "/classify"),
    Case("a blank candidate", dumps(inputs=["a"], candidate_labels=["x", " "]), 422, "invalid_value",
         "candidate_labels", "/classify"),
    Case("a candidate that is a number", dumps(inputs=["a"], candidate_labels=["x", 5]), 422, "invalid_value",
         "candidate_labels", "/classify"),
    Case("candidates for a classifier", dumps(inputs=["a"], model="tales", candidate_labels=["x", "y"]), 422,
         "invalid_value", "model", "/classify"),
    Case("candidates for no model", dumps(inputs=["a"], model="bookz", candidate_labels=["x", "y"]), 404,
         "unknown_model", "model", "/classify"),
    Case("a record of no kind", dumps(inputs=[{"name": "a"}], candidate_labels=["x", "y"]), 422, "invalid_value",
         "inputs.0.name", "/classify"),
    Case("a blank text for candidates", dumps(inputs=[" "], candidate_labels=["x", "y"]), 422, "invalid_value",
         "inputs.0", "/classify"),
    Case("OpenAI without a model", dumps(input="a"), 422, "invalid_value", "model", "/v1/embeddings"),
    Case("OpenAI's model", dumps(input="a", model="text-embedding-3-small"), 404, "unknown_model", "model",
         "/v1/embeddings"),
    Case("OpenAI with one bad input", dumps(input=["a", 1], model="tiny"), 422, "invalid_value", "inputs.1",
         "/v1/embeddings"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_bad_input_gets_a_clear_error(client: httpx.AsyncClient, case: Case) -> None:
    response = await client.post(case.path, content=case.body, headers=JSON)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (case.status, case.code, case.param)
    assert len(error["message"]) > 10
    assert "Traceback" not in response.text


async def test_an_unknown_model_is_answered_with_the_known_ones(client: httpx.AsyncClient) -> None:
    error = (await client.post("/embed", json={"inputs": ["a"], "model": "bookz"})).json()["error"]
    assert error["message"] == "unknown model 'bookz'; loaded models: tiny"


async def test_a_model_that_cannot_classify_is_answered_with_those_that_can(client: httpx.AsyncClient) -> None:
    error = (await client.post("/classify", json={"inputs": ["a"], "model": "tiny"})).json()["error"]
    assert error["message"] == "model 'tiny' cannot classify; loaded models that can: notes, tales"


async def test_a_form_is_told_to_be_json(client: httpx.AsyncClient) -> None:
    response = await client.post("/embed", data={"inputs": "a"})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "wrong_media_type")


async def test_json_under_another_media_type_is_understood(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = await client.post("/embed", content=b'{"inputs": ["a"]}', headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-16", "application/json;charset=ISO-8859-1", 'application/json; charset="latin1"',
     "application/json; charset="],
)  # fmt: skip
async def test_a_body_in_another_charset_is_refused_rather_than_misread(
    client: httpx.AsyncClient, content_type: str
) -> None:
    body = '{"inputs": ["Ã©"]}'.encode()
    response = await client.post("/embed", content=body, headers={"content-type": content_type})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (415, "wrong_media_type", "content-type")


async def test_messages_do_not_repeat_megabytes(client: httpx.AsyncClient) -> None:
    response = await client.post("/embed", json={"inputs": ["a"], "model": "a" * 100_000})
    assert len(response.content) < 1200


async def test_a_body_that_comes_too_slowly_is_given_up(core: Core) -> None:
    limits = core.settings.limits.model_copy(update={"body_ms": 20})
    front = Front(behind_the_front, core.settings.model_copy(update={"limits": limits}))
    front.core = core

    async def half_a_body() -> AsyncIterator[bytes]:
        yield b'{"inputs": '
        await asyncio.sleep(10)
        yield b'["a"]}'

    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://test") as client:
        response = await client.post("/embed", content=half_a_body())
    assert (response.status_code, response.json()["error"]["code"]) == (408, "slow_body")
    assert response.headers["connection"] == "close"


async def test_a_body_that_grows_past_the_limit_is_refused_without_a_length(client: httpx.AsyncClient) -> None:
    async def chunks() -> Any:
        for _ in range(30):
            yield b" " * 10_000

    response = await client.post("/embed", content=chunks(), headers=JSON)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf"])
async def test_a_senseless_time_limit_is_refused(client: httpx.AsyncClient, value: str) -> None:
    response = await client.post("/embed", json={"inputs": ["a"]}, headers={"x-request-timeout-ms": value})
    assert (response.status_code, response.json()["error"]["param"]) == (422, "x-request-timeout-ms")


async def test_a_time_limit_that_cannot_be_met_is_a_deadline_error(client: httpx.AsyncClient) -> None:
    response = await client.post("/embed", json={"inputs": ["a"]}, headers={"x-request-timeout-ms": "0.001"})
    assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/embed", "POST, OPTIONS"),
        ("HEAD", "/embed", "POST, OPTIONS"),
        ("GET", "/classify", "POST, OPTIONS"),
        ("PUT", "/v1/embeddings", "POST, OPTIONS"),
        ("POST", "/models", "GET, HEAD, OPTIONS"),
        ("POST", "/v2/health/live", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_the_right_one(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    response = await client.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
