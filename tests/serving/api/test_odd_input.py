"""What is unusual and right: it gets the same answer as its plain form."""

import asyncio
import json
from typing import Any

import httpx
import numpy as np
import pytest

from bundle.bundle import Bundle
from tests.tiny import embed_directly

PLAIN = b'{"inputs": ["a box of rice"]}'


async def embedding(client: httpx.AsyncClient, body: bytes, headers: dict[str, str] | None = None) -> Any:
    response = await client.post("/embed", content=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["data"]


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + PLAIN,
        b" \r\n\t" + PLAIN + b" \n\n",
        b'{"inputs": ["another"], "inputs": ["a box of rice"]}',
        b'{"\\u0069nputs": ["a box of \\u0072ice"]}',
        b'{"inputs": "a box of rice", "model": null, "dimensions": null, "prompt": null}',
        b'{"inputs": ["a box of rice"], "dimensions": 32}',
    ],
    ids=["byte order mark", "white space", "a key twice", "escapes", "nulls", "the model's own size"],
)
async def test_an_odd_body_is_read_as_it_is_meant(client: httpx.AsyncClient, body: bytes) -> None:
    assert await embedding(client, body) == await embedding(client, PLAIN)


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "application/json;charset=UTF-8", 'application/json; charset="utf-8"',
     "application/json; charset=us-ascii; x=y", "text/plain", "application/vnd.api+json"],
)  # fmt: skip
async def test_json_is_read_under_many_names(client: httpx.AsyncClient, content_type: str) -> None:
    assert await embedding(client, PLAIN, {"content-type": content_type}) == await embedding(client, PLAIN)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\u202eabc", "\ufeffabc", "\U0010ffff", "👩‍👩‍👧‍👦", "a\r\n", "\\", '"'])
async def test_any_text_of_unicode_is_a_text(client: httpx.AsyncClient, tiny: Bundle, text: str) -> None:
    [item] = await embedding(client, json.dumps({"inputs": [text]}).encode())
    assert item["embedding"] == pytest.approx(embed_directly(tiny.root, [text])[0].tolist(), abs=1e-6)


async def test_a_pair_of_surrogates_is_one_character(client: httpx.AsyncClient) -> None:
    assert await embedding(client, b'{"inputs": ["\\ud83c\\udf71"]}') == await embedding(
        client, '{"inputs": ["🍱"]}'.encode()
    )


@pytest.mark.parametrize("path", ["/models", "/models/tiny", "/livez", "/readyz", "/openapi.json", "/v2/health/live"])
async def test_a_slash_at_the_end_and_a_query_change_nothing(client: httpx.AsyncClient, path: str) -> None:
    plain = (await client.get(path)).json()
    assert (await client.get(f"{path}/")).json() == plain
    assert (await client.get(f"{path}?verbose=1")).json() == plain


@pytest.mark.parametrize("path", ["/models", "/models/tiny", "/livez", "/readyz", "/docs", "/openapi.json"])
async def test_head_tells_the_headers_of_get(client: httpx.AsyncClient, path: str) -> None:
    got, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    own = {"x-request-id"}
    assert {name: head.headers[name] for name in head.headers if name not in own} == {
        name: got.headers[name] for name in got.headers if name not in own
    }


async def test_head_of_what_is_not_there_has_no_body_either(client: httpx.AsyncClient) -> None:
    for path in ("/nowhere", "/models/bookz"):
        response = await client.head(path)
        assert (response.status_code, response.content) == (404, b"")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/embed", "POST, OPTIONS"), ("/v1/embeddings", "POST, OPTIONS"), ("/models", "GET, HEAD, OPTIONS"),
     ("/v2/models/tiny/infer", "POST, OPTIONS")],
)  # fmt: skip
async def test_options_tells_what_a_path_takes(client: httpx.AsyncClient, path: str, allowed: str) -> None:
    response = await client.options(path)
    assert (response.status_code, response.headers["allow"], response.content) == (204, allowed, b"")
    assert "content-length" not in response.headers


async def test_like_requests_at_the_same_time_get_like_answers(client: httpx.AsyncClient) -> None:
    """Everything but the last digits of vectors, which may depend on who shares the batch."""
    responses = await asyncio.gather(*(client.post("/embed", content=PLAIN) for _ in range(40)))
    answers = [response.json() for response in responses]
    vectors = [answer["data"][0].pop("embedding") for answer in answers]
    assert {json.dumps(answer) for answer in answers} == {json.dumps(answers[0])}
    np.testing.assert_allclose(vectors, [vectors[0]] * 40, atol=1e-6)
