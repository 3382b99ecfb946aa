"""The split topology: the same answers from two fronts and a runner, and a runner that dies loses nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from bundle.bundle import Bundle
from tests.e2e.server import Server, running
from tests.tiny import CORPUS, embed_directly


@pytest.fixture(scope="module")
def split_server(
    stored_tiny: Bundle, slow_model: str, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    with running(
        repository, log, JUBAKO_MODELS=f'["tiny", "{slow_model}"]', JUBAKO_TOPOLOGY="split", JUBAKO_FRONTS="2",
        JUBAKO_QUEUE__MAX_TOKENS="4000",
    ) as server:  # fmt: skip
        yield server


def embed(server: Server, **body: object) -> httpx.Response:
    return httpx.post(f"{server.url}/embed", json=body, timeout=60)


def test_the_answers_are_those_of_the_graph(split_server: Server, tiny: Bundle) -> None:
    data = embed(split_server, inputs=CORPUS).json()["data"]
    np.testing.assert_allclose([item["embedding"] for item in data], embed_directly(tiny.root, CORPUS), atol=1e-6)


def test_one_bad_input_fails_alone(split_server: Server) -> None:
    data = embed(split_server, inputs=["rice", 5, "trays"]).json()["data"]
    assert ["embedding" in item for item in data] == [True, False, True]


async def test_the_runner_s_queue_is_bounded(split_server: Server) -> None:
    async with httpx.AsyncClient(base_url=split_server.url, timeout=60) as client:
        body = {"inputs": ["of " * 60] * 70, "model": "slow"}
        answers = await asyncio.gather(*(client.post("/embed", json=body) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)


def runner_process(server: Server) -> psutil.Process:
    for process in psutil.Process(server.process.pid).children(recursive=True):
        if "jubako_runner_0" in process.cmdline():
            return process
    raise AssertionError("no runner")


async def test_a_runner_that_dies_loses_no_accepted_request(split_server: Server) -> None:
    async with httpx.AsyncClient(base_url=split_server.url, timeout=60) as client:
        body = {"inputs": ["of " * 60] * 50, "model": "slow"}
        call = asyncio.create_task(client.post("/embed", json=body))
        await asyncio.sleep(0.2)
        assert not call.done()
        runner_process(split_server).kill()
        response = await call
    assert response.status_code == 200, response.text
    assert len(response.json()["data"]) == 50
