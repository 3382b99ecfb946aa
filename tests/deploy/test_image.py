"""What is in the image beside the Bento, run without a container; and the page that tells of it."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy.checks.tools import DEPLOY
from tests.e2e.server import free_port
from tests.e2e.snippets import links

ENTRYPOINT = DEPLOY / "image" / "entrypoint.sh"
HEALTHCHECK = DEPLOY / "image" / "healthcheck.py"


def entered(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the entrypoint with a `bentoml` that tells how it was called."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    stub = programs / "bentoml"
    stub.write_text('#!/bin/sh\necho "bentoml $*${JUBAKO_MODELS+ models=$JUBAKO_MODELS} port=$BENTOML_PORT"\n')
    stub.chmod(0o755)
    entrypoint = shutil.copy(ENTRYPOINT, folder)
    if not (folder / "models.json").exists():
        (folder / "models.json").write_text('["text:1"]')
    path = f"{programs}:{os.environ['PATH']}"
    own = {"PATH": path, "BENTOML_HOME": str(folder / "home")}
    return subprocess.run(["sh", entrypoint, *arguments], env={**own, **environment}, capture_output=True, text=True)


def test_the_image_s_own_bundles_are_served_and_dashes_go_to_the_server(tmp_path: Path) -> None:
    assert entered(tmp_path).stdout == f'bentoml serve {tmp_path}/bento/src models=["text:1"] port=3000\n'
    assert (tmp_path / "home" / "models").readlink() == tmp_path / "bento" / "models"
    told = entered(tmp_path, "--timeout", "9", PORT="80", JUBAKO_MODELS="[]").stdout
    assert told == f"bentoml serve {tmp_path}/bento/src --timeout 9 models=[] port=80\n"


def test_any_other_argument_is_a_command(tmp_path: Path) -> None:
    assert entered(tmp_path, "echo", "-n", "a command").stdout == "a command"


def test_a_mounted_store_takes_the_place_of_the_image_s_own(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    for _ in range(2):  # a container that is started again finds its own link
        told = entered(tmp_path, JUBAKO_STORE=str(store)).stdout
        assert told == f"bentoml serve {tmp_path}/bento/src port=3000\n"
        assert (tmp_path / "home" / "models").readlink() == store
    assert list(store.iterdir()) == []


def test_a_store_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    done = entered(tmp_path, JUBAKO_STORE="/nowhere")
    assert done.returncode == 78
    assert "mount a model store there" in done.stderr


def test_an_image_without_bundles_wants_a_store(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text("[]")
    done = entered(tmp_path)
    assert done.returncode == 78
    assert "mount a model store" in done.stderr


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Answer every request with a status, and give the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 500)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_tells_what_readiness_tells(status: int, code: int) -> None:
    with answering(status) as port:
        environment = {**os.environ, "BENTOML_PORT": str(port)}
        assert subprocess.run([sys.executable, "-S", HEALTHCHECK], env=environment).returncode == code


def test_the_health_check_fails_where_nobody_answers() -> None:
    environment = {**os.environ, "PORT": str(free_port()), "BENTOML_PORT": ""}
    assert subprocess.run([sys.executable, "-S", HEALTHCHECK], env=environment).returncode == 1


def test_the_lock_of_a_variant_is_there_for_each_image(repository: Path) -> None:
    built = re.findall(r"deploy/image/build.sh (\w+)", (repository / "Makefile").read_text())
    assert built == ["cpu", "gpu"]
    assert all((repository / "requirements" / f"{variant}.lock").exists() for variant in built)


@pytest.mark.parametrize("page", ["docs/deployment.md", "deploy/helm/jubako/README.md"])
def test_every_link_and_every_target_of_the_page_is_there(repository: Path, page: str) -> None:
    path = repository / page
    for link in links(path):
        assert (path.parent / link).exists(), link
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), flags=re.MULTILINE)) <= targets
