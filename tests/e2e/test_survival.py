"""What a server in production meets: too many clients, clients that leave, bundles that rot, a signal to stop."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import bentoml
import httpx
import numpy as np
import pytest

from bundle.bundle import Bundle
from bundle.store import save
from tests.e2e.server import Server, running, start
from tests.tiny import build_tiny_bundle

SETTLE_WAVES = 2
"""Waves after which ONNX Runtime's arenas have met every shape of micro-batch."""
TEXT = "the lacquer box holds three trays of rice and vegetables and a server answers many questions"


@pytest.fixture(scope="module")
def crowded_server(slow_model: str, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    """A server with a short queue in front of a slow model."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    with running(
        repository, log, JUBAKO_MODELS=f'["{slow_model}"]', JUBAKO_QUEUE__MAX_TOKENS="4000",
        JUBAKO_LIMITS__DEADLINE_MS="20000",
    ) as server:  # fmt: skip
        yield server


async def wave(url: str, connections: int) -> list[tuple[int, float, str | None]]:
    """Send one request on each of `connections` connections at once; return status, seconds and Retry-After."""
    limits = httpx.Limits(max_connections=connections)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:

        async def one() -> tuple[int, float, str | None]:
            begin = time.perf_counter()
            response = await client.post("/embed", json={"inputs": [TEXT]})
            return response.status_code, time.perf_counter() - begin, response.headers.get("retry-after")

        return await asyncio.gather(*(one() for _ in range(connections)))


async def test_a_thousand_connections_at_once(crowded_server: Server) -> None:
    for _ in range(SETTLE_WAVES):
        await wave(crowded_server.url, 1000)
    before = crowded_server.memory_bytes()
    answers = [answer for _ in range(2) for answer in await wave(crowded_server.url, 1000)]
    grown = crowded_server.memory_bytes() - before

    statuses = Counter(status for status, _, _ in answers)
    assert set(statuses) == {200, 429}, statuses
    assert all(retry is not None and int(retry) >= 1 for status, _, retry in answers if status == 429)
    accepted = [seconds for status, seconds, _ in answers if status == 200]
    assert float(np.percentile(accepted, 99)) < 30  # the deadline; how near it comes is the machine's speed
    assert grown < 12 * 2**20, f"grew by {grown / 2**20:.0f} MiB"
    assert httpx.get(f"{crowded_server.url}/readyz").status_code == 200
    assert httpx.post(f"{crowded_server.url}/embed", json={"inputs": ["hello"]}).status_code == 200


async def rows_computed(url: str) -> float:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{url}/metrics")).text
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith("jubako_rows_total"))


async def test_clients_that_leave_cost_no_compute(crowded_server: Server) -> None:
    before = await rows_computed(crowded_server.url)
    async with httpx.AsyncClient(base_url=crowded_server.url, timeout=60) as client:
        calls = [asyncio.create_task(client.post("/embed", json={"inputs": [TEXT] * 60})) for _ in range(3)]
        await asyncio.sleep(0.15)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    await asyncio.sleep(1.5)
    assert await rows_computed(crowded_server.url) - before < 120
    assert httpx.post(f"{crowded_server.url}/embed", json={"inputs": ["hello"]}).status_code == 200


def test_a_fifty_megabyte_body_is_refused_and_the_server_lives(crowded_server: Server) -> None:
    body = b'{"inputs": ["' + b"a" * (50 * 2**20) + b'"]}'
    response = httpx.post(f"{crowded_server.url}/embed", content=body, timeout=60)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    assert httpx.post(f"{crowded_server.url}/embed", json={"inputs": ["hello"]}).status_code == 200


def test_a_stopping_server_answers_what_it_has_accepted(slow_model: str, repository: Path, tmp_path: Path) -> None:
    async def stop_meanwhile(server: Server) -> httpx.Response:
        async with httpx.AsyncClient(timeout=60) as client:
            call = asyncio.create_task(client.post(f"{server.url}/embed", json={"inputs": [TEXT] * 500}))
            await asyncio.sleep(0.3)
            assert not call.done()
            server.process.send_signal(signal.SIGTERM)
            return await call

    with running(repository, tmp_path / "log", JUBAKO_MODELS=f'["{slow_model}"]') as server:
        response = asyncio.run(stop_meanwhile(server))
        assert response.status_code == 200
        assert len(response.json()["data"]) == 500
        assert server.process.wait(30) == 0


def test_a_flipped_byte_is_refused_at_start_and_named(
    repository: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stored = save(build_tiny_bundle(tmp_path_factory.mktemp("rotten"), name="rotten"))
    graph = stored.root / "graphs/encoder.fp32.onnx"
    content = bytearray(graph.read_bytes())
    content[-100] ^= 1
    graph.write_bytes(content)

    verified = subprocess.run(
        [sys.executable, "-m", "jubako", "models", "verify", "rotten"], capture_output=True, text=True, cwd=repository
    )
    assert verified.returncode == 1
    assert "graphs/encoder.fp32.onnx" in verified.stdout

    server = start(repository, tmp_path / "log", JUBAKO_MODELS='["rotten"]')
    try:
        assert server.process.wait(60) != 0
        assert "graphs/encoder.fp32.onnx: altered" in server.log.read_text()
    finally:
        server.stop()


def test_the_service_is_imported_without_torch(repository: Path) -> None:
    script = """
import sys
from importlib.abc import MetaPathFinder

BARRED = ("torch", "transformers", "lightning", "optimum", "sentence_transformers", "onnx")

class Bar(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BARRED:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Bar())
import service, serving.loading, jubako
assert not [name for name in sys.modules if name.split(".")[0] in BARRED]
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=repository)
    assert done.returncode == 0, done.stderr


def test_a_bento_carries_its_models_and_serves_from_an_empty_folder(
    stored_tiny: Bundle, stored_tales: Bundle, repository: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(repository, project, ignore=shutil.ignore_patterns(".git", ".venv", "results", "__pycache__"))
    build = [sys.executable, "-m", "bentoml", "build", "--output", "tag", "."]
    environment = {**os.environ, "JUBAKO_MODELS": '["tiny", "tales"]'}
    built = subprocess.run(build, capture_output=True, text=True, cwd=project, env=environment, check=True)
    tag = built.stdout.strip().removeprefix("__tag__:")
    carried = [str(info.tag) for info in bentoml.bentos.get(tag).info.all_models]
    assert carried == ["tiny:1", "tales:1"]
    empty = tmp_path / "empty"
    empty.mkdir()
    with running(empty, tmp_path / "log", tag) as server:
        embedded = httpx.post(f"{server.url}/embed", json={"inputs": ["hello"]}).json()
        classified = httpx.post(f"{server.url}/classify", json={"inputs": ["a dragon"]}).json()
    assert (embedded["model"], len(embedded["data"])) == ("tiny", 1)
    assert classified["data"][0]["labels"][0]["label"] == "fantasy"


def test_an_empty_store_is_told_with_what_to_run(repository: Path, tmp_path: Path) -> None:
    server = start(repository, tmp_path / "log", BENTOML_HOME=str(tmp_path / "home"))
    try:
        assert server.process.wait(60) != 0
        assert "make serve" in server.log.read_text()
    finally:
        server.stop()
