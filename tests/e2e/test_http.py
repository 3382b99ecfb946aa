"""HTTP as docs/http.md tells it, on a real server: tables, snippets, and what only a real connection shows."""

import gzip
import json
import re
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
import zstandard

from serving.errors import TABLE
from serving.settings import Settings
from serving.settings_page import rows
from tests.e2e.server import Server
from tests.e2e.snippets import at, blocks, run_shell

PAGE = Path(__file__).parents[2] / "docs" / "http.md"
SHELL = blocks(PAGE, "sh")
ERRORS = [
    (int(status), command)
    for block in SHELL
    for status, command in re.findall(r"^# answered with (\d+)\n(curl .*)$", block, flags=re.MULTILINE)
]
TEXTS = ["a lacquer box holds three trays", "数据"] * 40


def test_the_table_of_errors_is_the_one_that_the_server_goes_by() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\d+) \| (yes|no) \| .+ \|$", PAGE.read_text(), flags=re.MULTILINE)
    assert told == [(code.value, str(each.http), "yes" if each.retry else "no") for code, each in TABLE.items()]


def test_the_limits_are_those_of_the_settings() -> None:
    defaults = {variable: default for variable, default, _ in rows(Settings)}
    told = dict(re.findall(r"^\| .+ \| `(JUBAKO_LIMITS__\w+)` \| (.+) \|$", PAGE.read_text(), flags=re.MULTILINE))
    numbers = {
        name: value.replace(",", "").replace(" MiB", "*1048576").replace(" s", "*1000") for name, value in told.items()
    }
    for name, value in numbers.items():
        factor, _, unit = value.partition("*")
        assert float(defaults[name].strip("`")) == int(factor) * int(unit or 1), name
    limits = {name for name in defaults if name.startswith("JUBAKO_LIMITS__")}
    assert set(told) == limits - {"JUBAKO_LIMITS__COMPRESS_MIN_BYTES"}


@pytest.mark.parametrize("block", [block for block in SHELL if not block.startswith(("curl", "#"))])
def test_a_block_that_begins_with_something_else_than_curl_is_answered(named_server: Server, block: str) -> None:
    for line in run_shell(named_server, block).splitlines():
        assert json.loads(line.replace("}{", "}\n{").splitlines()[0])["data"]


def test_every_error_that_is_shown_is_the_one_that_comes(named_server: Server) -> None:
    assert len(ERRORS) == 3
    for status, command in ERRORS:
        asked = f"{at(named_server, command)} -w '\\n%{{http_code}}'"
        shown = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True).stdout
        body, _, got = shown.rpartition("\n")
        assert int(got) == status
        assert json.loads(body)["error"].keys() == {"code", "message", "param"}


def test_a_client_that_accepts_compression_gets_it(named_server: Server) -> None:
    """httpx asks for every coding that it can read, and reads them."""
    with httpx.Client(base_url=named_server.url) as client:
        answer = client.post("/embed", json={"inputs": TEXTS})
        plain = client.post("/embed", json={"inputs": TEXTS}, headers={"accept-encoding": "identity"})
    assert answer.headers["content-encoding"] in ("gzip", "zstd")
    assert "content-encoding" not in plain.headers
    assert int(answer.headers["content-length"]) < 0.6 * int(plain.headers["content-length"])
    assert len(answer.json()["data"]) == len(TEXTS)


@pytest.mark.parametrize(("coding", "bomb"), [
    ("gzip", gzip.compress(bytes(2**30), 6)),
    ("zstd", zstandard.ZstdCompressor().compress(bytes(2**30))),
], ids=["gzip", "zstd"])  # fmt: skip
def test_a_bomb_of_a_gigabyte_costs_no_memory(named_server: Server, coding: str, bomb: bytes) -> None:
    headers = {"content-encoding": coding}
    httpx.post(f"{named_server.url}/embed", content=bomb, headers=headers)
    before = named_server.memory_bytes()
    for _ in range(5):
        response = httpx.post(f"{named_server.url}/embed", content=bomb, headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    assert named_server.memory_bytes() - before < 40 * 2**20


@pytest.mark.parametrize("path", ["/embed", "/models", "/metrics", "/docs.json", "/nowhere", "/v2/nowhere"])
def test_every_answer_has_the_request_s_id_bentoml_s_own_included(named_server: Server, path: str) -> None:
    headers = {"x-request-id": "order-4711"}
    assert httpx.get(f"{named_server.url}{path}", headers=headers).headers["x-request-id"] == "order-4711"
    assert re.fullmatch(r"[0-9a-f]{32}", httpx.get(f"{named_server.url}{path}").headers["x-request-id"])


def test_the_access_log_has_the_id(named_server: Server) -> None:
    httpx.get(f"{named_server.url}/models/bookz", headers={"x-request-id": "order-4712"})
    for _ in range(100):
        if re.search(
            r"GET /models/bookz 404 .* order-4712 unknown_model$", named_server.log.read_text(), flags=re.MULTILINE
        ):
            return
        httpx.get(f"{named_server.url}/livez")
    raise AssertionError("the line does not come")


RAW = {
    "an id that would be a header": b"GET /livez HTTP/1.1\r\nhost: a\r\nx-request-id: a\rset-cookie: b\r\n\r\n",
    "a length that is no number": b"POST /embed HTTP/1.1\r\nhost: a\r\ncontent-length: \xb2\r\n\r\n",
    "two lengths": b"POST /embed HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n",
    "a path that is no ASCII": b"GET /mod\xffels HTTP/1.1\r\nhost: a\r\n\r\n",
}


@pytest.mark.parametrize("raw", RAW.values(), ids=list(RAW))
def test_what_is_no_request_is_refused_and_the_server_lives(named_server: Server, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", named_server.port), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"set-cookie" not in answer.lower()
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 200"))
    assert httpx.get(f"{named_server.url}/livez").status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_a_connection_lives_on_after_an_answer_without_a_body(named_server: Server, method: str) -> None:
    with httpx.Client(base_url=named_server.url) as client:
        for _ in range(3):
            response = client.request(method, "/models")
            assert (response.is_success, response.content) == (True, b"")
            assert len(client.get("/models").json()["models"]) == 5
