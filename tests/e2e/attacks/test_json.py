"""JSON that is JSON and harm."""

import httpx
import pytest

from tests.e2e.attacks.raw import exchanged, request, statuses
from tests.e2e.conftest import Guarded

DEEP = {
    "lists": b"[" * 500_000,
    "objects": b'{"a":' * 100_000,
    "closed lists": b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a deep record": b'{"inputs": [' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"]}",
    "deep filters": b'{"filters": ' + b'{"any":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
}


@pytest.mark.parametrize("path", ["/embed", "/classify", "/recommend", "/v1/embeddings", "/v2/models/tiny/infer"])
@pytest.mark.parametrize("body", DEEP.values(), ids=list(DEEP))
def test_deep_json_is_malformed(client: httpx.Client, path: str, body: bytes) -> None:
    answer = client.post(path, content=body)
    assert answer.status_code == 400, answer.text


def test_so_is_deep_json_within_a_tensor(client: httpx.Client) -> None:
    deep = "[" * 100_000
    options = {"candidate_labels": deep}
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    answer = client.post("/v2/models/tiny/infer", json={"inputs": [tensor], "parameters": options})
    assert answer.status_code == 422


NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999999",
    "1" * 5000,
    "-1" + "0" * 4000,
    "9223372036854775808",
    "1e400",
    "0x10",
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:12])
def test_numbers_that_are_none_or_too_large_are_refused(client: httpx.Client, number: str) -> None:
    bodies = {
        "/embed": f'{{"inputs": ["a"], "dimensions": {number}}}',
        "/classify": f'{{"inputs": ["a"], "candidate_labels": ["b", "c"], "threshold": {number}}}',
        "/recommend": f'{{"k": {number}}}',
        "/v2/models/tiny/infer": f'{{"inputs": [{{"name": "text", "shape": [{number}], "datatype": "BYTES"}}]}}',
    }
    for path, body in bodies.items():
        answer = client.post(path, content=body)
        assert answer.status_code in (400, 404, 413, 422), (path, answer.text)


def test_of_two_keys_in_an_object_the_last_counts_and_of_two_in_headers_the_first(guarded: Guarded) -> None:
    body = b'{"model": "../../x", "inputs": ["a"], "model": "tiny"}'
    line = b"POST /embed HTTP/1.1"
    length = b"content-length: %d" % len(body)
    assert statuses(exchanged(guarded, request(guarded, length, b"connection: close", line=line, body=body))) == [200]
    second = b"authorization: Bearer wrong"
    assert statuses(exchanged(guarded, request(guarded, second, b"connection: close"))) == [200]
    first = b"GET /models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer wrong\r\n"
    rest = request(guarded, b"connection: close").partition(b"\r\n")[2]
    assert statuses(exchanged(guarded, first + rest)) == [401]
