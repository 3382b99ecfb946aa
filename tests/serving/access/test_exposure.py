import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from serving.access.exposure import check_access, http_host, is_loopback, keys_required, located
from serving.access.keys import new_key
from serving.access.records import write_keys
from serving.settings import Access, Grpc, Settings
from tests.serving.access.test_keyring import record_of

KEY = new_key()
KEYS = {KEY.id: record_of(KEY)}


@pytest.mark.parametrize(("host", "local"), [
    ("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("[::1]", True), ("localhost", True),
    ("0.0.0.0", False), ("::", False), ("[::]", False), ("10.0.0.1", False), ("example.org", False), ("", False),
])  # fmt: skip
def test_only_the_loopback_is_the_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize(("http", "grpc", "port", "required", "keys", "needed"), [
    ("127.0.0.1", "", 3001, "auto", {}, False),
    ("127.0.0.1", "0.0.0.0", 3001, "auto", {}, True),
    ("127.0.0.1", "0.0.0.0", 0, "auto", {}, False),
    ("0.0.0.0", "", 3001, "auto", {}, True),
    ("0.0.0.0", "127.0.0.1", 3001, "auto", {}, True),
    ("::", "", 0, "auto", {}, True),
    ("127.0.0.1", "", 3001, "auto", KEYS, True),
    ("127.0.0.1", "", 3001, "always", {}, True),
    ("0.0.0.0", "", 3001, "never", KEYS, False),
])  # fmt: skip
def test_keys_are_needed_where_strangers_can_call_or_where_there_are_keys(
    http: str, grpc: str, port: int, required: Any, keys: Any, needed: bool
) -> None:
    settings = Settings(grpc_port=port, grpc=Grpc(host=grpc), access=Access(required=required, keys=keys))
    assert keys_required(settings, http) is needed


def test_a_server_without_keys_where_they_are_needed_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"listens on 0\.0\.0\.0") as caught:
        check_access(Settings(), "0.0.0.0")
    for way in ("jubako keys create", "--host 127.0.0.1", "JUBAKO_ACCESS__REQUIRED=never"):
        assert way in str(caught.value)
    check_access(Settings(), "127.0.0.1")
    check_access(Settings(access=Access(required="never")), "0.0.0.0")
    check_access(Settings(access=Access(keys=KEYS)), "0.0.0.0")
    file = tmp_path / "keys.toml"
    with pytest.raises(RuntimeError, match="JUBAKO_ACCESS__KEYS_FILE"):
        check_access(Settings(access=Access(keys_file=file)), "0.0.0.0")
    write_keys(file, {})
    with pytest.raises(RuntimeError, match="there are none"):
        check_access(Settings(access=Access(keys_file=file)), "0.0.0.0")
    write_keys(file, KEYS)
    check_access(Settings(access=Access(keys_file=file)), "0.0.0.0")


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::1", "unix"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    if request.param == "unix":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(tmp_path / "socket"))
            yield made, "127.0.0.1"
        return
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family) as made:
        made.bind((request.param, 0))
        yield made, request.param


def test_a_worker_asks_its_socket(listening: tuple[socket.socket, str]) -> None:
    made, host = listening
    with click.Context(click.Command("worker")) as context:
        context.params = {"fd": made.fileno()}
        assert http_host() == host
        assert located(Settings()).grpc.host == (f"[{host}]" if ":" in host else host)
        assert located(Settings(grpc=Grpc(host="10.0.0.1"))).grpc.host == "10.0.0.1"
    assert made.fileno() >= 0, "the socket is still open"
    made.listen()


def test_the_supervisor_is_told_by_its_command_line_or_else_by_bentoml_s_configuration() -> None:
    assert http_host() == "0.0.0.0"
    with click.Context(click.Command("serve")) as context:
        context.params = {"host": "127.0.0.1"}
        assert http_host() == "127.0.0.1"
        context.params = {"host": None}
        assert http_host() == "0.0.0.0"
