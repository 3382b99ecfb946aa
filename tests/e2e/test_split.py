"""The split topology: the same answers from two fronts and a runner, and what happens when a runner dies."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from bundle.bundle import Bundle
from jubako import Client
from tests.e2e.server import Server, running
from tests.tiny import CORPUS, embed_directly

RECOVERY_S = 5.0
"""Time in which a runner that was killed computes again."""


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


async def test_what_was_in_flight_when_the_runner_died_is_told_to_come_back(split_server: Server) -> None:
    async with httpx.AsyncClient(base_url=split_server.url, timeout=60) as client:
        body = {"inputs": ["of " * 60] * 50, "model": "slow"}
        call = asyncio.create_task(client.post("/embed", json=body))
        await asyncio.sleep(0.2)
        assert not call.done()
        runner_process(split_server).kill()
        killed = perf_counter()
        response = await call
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert response.json()["error"]["code"] == "not_ready"
    assert perf_counter() - killed < 1
    with Client(split_server.url) as patient:
        assert len(patient.embed("rice", model="tiny").vectors) == 1, "our client waits as it is told"


@dataclass(frozen=True)
class Asked:
    sent: float
    got: float
    status: int
    told_when: bool
    """Whether there was a Retry-After."""


async def keep_asking(
    client: httpx.AsyncClient, until: asyncio.Event, ask: Callable[[], Any], seen: list[Asked]
) -> None:
    while not until.is_set():
        sent = perf_counter()
        response = await ask()
        seen.append(Asked(sent, perf_counter(), response.status_code, "retry-after" in response.headers))
        await asyncio.sleep(0.01 if response.status_code == 503 else 0)


async def test_a_runner_that_is_killed_under_load_is_back_in_time_and_health_tells_the_truth(
    stored_tiny: Bundle, repository: Path, tmp_path: Path
) -> None:
    answers: list[Asked] = []
    health: list[Asked] = []
    with running(repository, tmp_path / "log", JUBAKO_MODELS='["tiny"]', JUBAKO_TOPOLOGY="split") as server:
        over, limits = asyncio.Event(), httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=server.url, timeout=30, limits=limits) as client:

            async def embed_all() -> httpx.Response:
                return await client.post("/embed", json={"inputs": CORPUS})

            asking = [
                *(keep_asking(client, over, embed_all, answers) for _ in range(16)),
                keep_asking(client, over, lambda: client.get("/readyz"), health),
            ]
            tasks = [asyncio.create_task(one) for one in asking]
            await asyncio.sleep(1)
            killed = perf_counter()
            runner_process(server).kill()
            await asyncio.sleep(RECOVERY_S + 1)
            over.set()
            await asyncio.gather(*tasks)
    assert {answer.status for answer in answers} == {200, 503}
    refused = [answer for answer in answers if answer.status == 503]
    assert all(answer.told_when for answer in refused)
    first, last = refused[0].sent, refused[-1].got
    assert killed - 1 < first
    assert last - killed < RECOVERY_S
    assert any(answer.status == 200 for answer in answers if answer.sent > last)
    while_away = [look for look in health if killed + 0.2 < look.sent and look.got < last]
    assert len(while_away) > 3
    assert {look.status for look in while_away} == {503}
    assert {look.status for look in health if look.got < killed or look.sent > last + 0.5} == {200}


async def test_with_two_runners_the_other_one_answers(
    stored_tiny: Bundle, slow_model: str, repository: Path, tmp_path: Path
) -> None:
    settings = {"JUBAKO_MODELS": f'["{slow_model}"]', "JUBAKO_TOPOLOGY": "split", "JUBAKO_RUNNERS": "2"}
    with running(repository, tmp_path / "log", **settings) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            calls = [asyncio.create_task(client.post("/embed", json={"inputs": ["of " * 60] * 20})) for _ in range(4)]
            await asyncio.sleep(0.3)
            assert not any(call.done() for call in calls)
            runner_process(server).kill()
            responses = await asyncio.gather(*calls)
        assert [response.status_code for response in responses] == [200] * 4
        assert httpx.get(f"{server.url}/readyz").status_code == 200
