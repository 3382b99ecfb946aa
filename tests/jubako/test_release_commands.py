import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle.bundle import Bundle
from bundle.store import save
from jubako.server_status import AGREEING
from serving.releases.file import ReleasesFile
from serving.releases.plan import Planned
from tests.jubako.test_cli import run
from tests.tiny import GRAPH_FILE, build_tiny_bundle

NAME = "candle"


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Stored versions, in this order; of the last one a byte is flipped."""
    folder = tmp_path_factory.mktemp("candles")
    versions = ("1.0", "1.1", "2.0", "bad")
    stored = {version: save(build_tiny_bundle(folder / version, name=NAME, version=version)) for version in versions}
    graph = stored["bad"].root / GRAPH_FILE
    content = bytearray(graph.read_bytes())
    content[-100] ^= 1
    graph.write_bytes(content)
    return stored


@pytest.fixture
def file(candles: dict[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReleasesFile:
    monkeypatch.setenv("JUBAKO_RELEASES__FILE", str(tmp_path / "releases.json"))
    return ReleasesFile(tmp_path / "releases.json")


def wanted(file: ReleasesFile) -> Planned:
    return file.read().of(NAME)


def test_a_promotion_is_written_with_the_version_that_it_most_likely_replaces(file: ReleasesFile) -> None:
    assert "active 2.0, previous 1.1" in run("models", "promote", NAME, "2.0")
    assert wanted(file).active == "2.0"


def test_versions_may_be_abbreviated_where_that_is_unambiguous(file: ReleasesFile) -> None:
    run("models", "promote", NAME, "2")
    assert wanted(file).active == "2.0"
    told = run("models", "promote", NAME, "1", status=1)
    assert "Multiple candle versions found" in told
    assert "write the version out" in told
    assert wanted(file).active == "2.0"


def test_a_rollback_exchanges_versions(file: ReleasesFile) -> None:
    run("models", "promote", NAME, "1.0")
    run("models", "promote", NAME, "1.1")
    run("models", "rollback", NAME)
    assert (wanted(file).active, wanted(file).previous) == ("1.0", "1.1")


def test_a_rollback_without_a_previous_version_tells_what_there_is(file: ReleasesFile) -> None:
    told = run("models", "rollback", NAME, status=1)
    assert f"{NAME} has no previous version" in told
    assert "1.0" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("promote", NAME, "bad"), f"{GRAPH_FILE}: altered"),
        (("promote", NAME, "latest"), f"{GRAPH_FILE}: altered"),
        (("canary", NAME, "bad"), f"{GRAPH_FILE}: altered"),
        (("shadow", NAME, "bad"), f"{GRAPH_FILE}: altered"),
        (("promote", NAME, "9"), f"no bundle '{NAME}:9' in the model store (stored: "),
        (("promote", "bookz", "1"), "no bundle 'bookz:1' in the model store (stored: "),
        (("canary", NAME), "say which version"),
        (("shadow", NAME, "1.0", "--off"), "say which version"),
        (("canary", NAME, "1.0", "--percent", "101"), "percent"),
    ],
)
def test_what_cannot_be_done_changes_nothing(file: ReleasesFile, arguments: tuple[str, ...], told: str) -> None:
    code = 2 if "101" in arguments else 1
    assert told in run("models", *arguments, status=code)
    assert not file.path.exists()


def test_canary_and_shadow_come_and_go(file: ReleasesFile) -> None:
    run("models", "promote", NAME, "1.0")
    run("models", "canary", NAME, "1.1", "--percent", "5")
    assert "canary 1.1 5%, shadow 2.0 100%" in run("models", "shadow", NAME, "2.0")
    assert "the active version already" in run("models", "canary", NAME, "1.0", status=1)
    run("models", "canary", NAME, "--off")
    run("models", "shadow", NAME, "--off")
    assert (wanted(file).canary, wanted(file).shadow) == (None, None)


def test_releases_are_listed(file: ReleasesFile) -> None:
    assert "revision 0" in run("models", "releases")
    run("models", "promote", NAME, "1.0")
    told = run("models", "releases")
    assert "revision 1" in told
    assert "1.0" in told


class FakeServer(http.server.BaseHTTPRequestHandler):
    """Says of every model what `release` has; after some answers it has followed revision 1."""

    release: dict[str, Any]
    asked: int

    def do_GET(self) -> None:
        kind = type(self)
        kind.asked += 1
        body = json.dumps({"release": {**kind.release, "revision": int(kind.asked > 2)}}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    FakeServer.release = {"active": "1.0", "loading": None, "refused": None}
    FakeServer.asked = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_command_waits_until_workers_agree(file: ReleasesFile, url: str) -> None:
    assert "served" in run("models", "promote", NAME, "2.0", "--wait", "--url", url)
    assert FakeServer.asked >= 2 + AGREEING
    assert wanted(file).previous == "1.0", "what the server says that it serves"


def test_what_a_server_refuses_is_taken_back(file: ReleasesFile, url: str) -> None:
    reason = {"version": "2.0", "reason": "no such instruction here", "revision": 1}
    FakeServer.release["refused"] = reason
    told = run("models", "promote", NAME, "2.0", "--wait", "--url", url, status=1)
    assert "no such instruction here" in told
    assert (wanted(file).active, wanted(file).revision) == (None, 2)


def test_a_server_that_does_not_answer_is_told(file: ReleasesFile) -> None:
    told = run("models", "promote", NAME, "2.0", "--url", "http://127.0.0.1:9", status=1)
    assert "http://127.0.0.1:9 does not answer" in told
    assert not file.path.exists()
