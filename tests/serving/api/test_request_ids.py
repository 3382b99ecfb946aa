"""Names of requests, and the headers that every answer has."""

import logging
import re

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.api.access_log import AccessLog
from serving.api.request_ids import request_id
from serving.settings import Observability
from serving.telemetry.request_context import RequestContext

OWN = re.compile(r"[0-9a-f]{32}")
ANSWERED = [
    ("POST", "/embed", {"inputs": ["rice"]}, 200),
    ("POST", "/embed", {"inputs": []}, 422),
    ("GET", "/embed", None, 405),
    ("OPTIONS", "/embed", None, 204),
    ("HEAD", "/models", None, 200),
    ("GET", "/livez", None, 200),
    ("GET", "/models/bookz", None, 404),
    ("GET", "/nowhere", None, 404),
    ("GET", "/v2/nowhere", None, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), ANSWERED)
async def test_every_answer_has_the_caller_s_id_or_one_of_its_own(
    client: httpx.AsyncClient, method: str, path: str, body: object, status: int
) -> None:
    named = await client.request(method, path, json=body, headers={"x-request-id": "order-4711"})
    assert (named.status_code, named.headers["x-request-id"]) == (status, "order-4711")
    unnamed = [(await client.request(method, path, json=body)).headers["x-request-id"] for _ in range(2)]
    assert all(map(OWN.fullmatch, unnamed))
    assert unnamed[0] != unnamed[1]
    assert named.headers["cache-control"] == "no-store"


async def test_answers_of_bentoml_s_have_it_too(client: httpx.AsyncClient) -> None:
    response = await client.get("/schema.json", headers={"x-request-id": "order-4711"})
    assert (response.text, response.headers["x-request-id"]) == ("from BentoML", "order-4711")


@pytest.mark.parametrize(
    "given_id",
    [b"", b" ", b"a b", b"a\tb", b"a\r\nset-cookie: x=1", b'a"b', b"a" * 129, b"\xff", "é".encode(), b"a\x00"],
)
def test_an_id_that_could_do_harm_is_replaced(given_id: bytes) -> None:
    assert OWN.fullmatch(request_id([(b"x-request-id", given_id)]).decode())


@given(st.binary(max_size=200))
def test_an_id_can_always_be_a_header_and_part_of_a_line(given_id: bytes) -> None:
    assert re.fullmatch(rb"[!-~]{1,128}", request_id([(b"x-request-id", given_id)]))


async def test_headers_come_in_the_same_order_every_time(client: httpx.AsyncClient) -> None:
    orders = {
        tuple((await client.post("/embed", json={"inputs": ["rice"]}, headers={"x-request-id": "a"})).headers)
        for _ in range(5)
    }
    assert orders == {("content-type", "content-length", "server-timing", "cache-control", "x-request-id")}


async def test_the_access_log_tells_the_id_and_one_line_for_a_path_that_would_be_two(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = AccessLog(Observability())
    context = RequestContext("order-4711")
    log.answered(context, "GET", "/models/{name}", "/models/a\n1.000 POST /forged 200", 404, 0.001, 80)
    with caplog.at_level(logging.INFO, "jubako.access"):
        log.flush()
    [line] = caplog.messages[-1].splitlines()
    assert line.endswith(" GET /models/a%0A1.000%20POST%20/forged%20200 404 1.00ms 80B order-4711")
