"""Versions that change under load: nobody notices but by the version that the answers tell."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from jubako import AsyncClient
from serving.releases.plan import Share
from tests.e2e.releases import (
    BROKEN,
    NAME,
    TEXTS,
    Counted,
    Releasing,
    load,
    releasing,
    store_pair,
    streaming,
    workers_bytes,
)

CONNECTIONS = 64
PROMOTIONS = int(os.environ.get("PROMOTIONS", "6"))
"""`PROMOTIONS=20` takes half a minute more for each topology."""
SETTLING = 4
"""Promotions after which libraries have met both versions: what they keep then is no leak."""
FILLING_S = 2.0
"""Load in which the arenas of the last version meet their shapes, before memory is looked at."""
REQUESTS = 5000


@pytest.fixture(scope="module", autouse=True)
def pair(tmp_path_factory: pytest.TempPathFactory) -> None:
    store_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def single(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Releasing]:
    with releasing(repository, tmp_path_factory.mktemp("single")) as server:
        yield server


@pytest.fixture(scope="module")
def split(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Releasing]:
    topology = {"JUBAKO_TOPOLOGY": "split", "JUBAKO_FRONTS": "2"}
    with releasing(repository, tmp_path_factory.mktemp("split"), **topology) as server:
        yield server


@pytest.fixture(params=["single", "split"])
def server(request: pytest.FixtureRequest) -> Releasing:
    found: Releasing = request.getfixturevalue(request.param)
    return found


async def promote_back_and_forth(server: Releasing, times: int) -> tuple[Counted, Counted, int]:
    """Promote under load; return what callers over HTTP and over a stream met, and the memory at rest after it."""
    async with load(server.server, CONNECTIONS) as http, streaming(server.server) as stream:
        for turn in range(times):
            await server.promote("12"[(turn + 1) % 2])
        await server.only("12"[times % 2])
        await asyncio.sleep(FILLING_S)
    return http, stream, workers_bytes(server.server)


async def test_promotions_under_load_fail_no_request_and_give_memory_back(server: Releasing) -> None:
    *_, before = await promote_back_and_forth(server, SETTLING)
    http, stream, after = await promote_back_and_forth(server, PROMOTIONS)
    print(f"{PROMOTIONS} promotions, {http.versions} over HTTP, {stream.versions} over one stream, ", end="")
    print(f"{before / 2**20:.1f} MiB before, {after / 2**20:.1f} after")
    assert (http.failures, stream.failures) == ([], [])
    for counted in (http, stream):
        assert min(counted.versions["1"], counted.versions["2"]) > 0, "both versions have answered"
    assert after <= before * 1.05, f"{before / 2**20:.1f} MiB before, {after / 2**20:.1f} after"


async def test_what_cannot_be_trusted_is_refused_and_no_request_fails(server: Releasing) -> None:
    await server.followed(server.want(active="1", previous="2"))
    async with load(server.server, 8) as counted:
        for version, reason in BROKEN.items():
            told = await server.followed(server.want(active=version, previous="1"))
            assert (told["active"], told["refused"]["version"]) == ("1", version)
            assert reason in told["refused"]["reason"]
            assert httpx.get(f"{server.server.url}/readyz").status_code == 200
    assert counted.failures == []
    assert set(counted.versions) == {"1"}
    await server.only("1")


async def test_a_canary_answers_its_share(single: Releasing) -> None:
    await single.followed(single.want(active="1", canary=Share(version="2", percent=10)))
    counted: dict[str, int] = {"1": 0, "2": 0}
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=single.server.url, timeout=60, limits=limits) as client:

        async def ask(times: int) -> None:
            for _ in range(times):
                counted[(await client.post("/embed", json={"inputs": TEXTS[:1]})).json()["version"]] += 1

        await asyncio.gather(*(ask(REQUESTS // 50) for _ in range(50)))
        same = {"x-request-id": "order-4711"}
        seen = {
            (await client.post("/embed", json={"inputs": TEXTS}, headers=same)).json()["version"] for _ in range(20)
        }
        metrics = (await client.get("/metrics")).text
    print(f"canary of 10%: {counted}")
    assert sum(counted.values()) == REQUESTS
    assert abs(counted["2"] / REQUESTS - 0.10) < 0.02
    assert len(seen) == 1, "who asks again gets the same version"
    assert f'jubako_model_seconds_count{{model="{NAME}",version="2"}}' in metrics
    assert f'jubako_release_workers{{model="{NAME}",role="canary",version="2"}} 1.0' in metrics


async def test_a_shadow_changes_no_answer(server: Releasing) -> None:
    bodies = [{"inputs": TEXTS}, {"inputs": ["rice", 5, "trays"]}, {"inputs": [7]}, {"inputs": ["rice"], "prompt": "x"}]
    async with httpx.AsyncClient(base_url=server.server.url, timeout=60) as client:

        async def answers() -> list[tuple[int, bytes]]:
            asked = [await client.post("/embed", json=body) for body in bodies for _ in range(5)]
            return [(answer.status_code, answer.content) for answer in asked]

        await server.followed(server.want(active="1"))
        before = await answers()
        await server.followed(server.want(active="1", shadow=Share(version="2", percent=100)))
        assert await answers() == before
        async with asyncio.timeout(10):
            while 'jubako_shadow_agreement_count{measure="cosine"' not in (await client.get("/metrics")).text:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await server.followed(server.want(active="1"))
    await server.only("1")


async def test_a_runner_that_restarts_is_told_what_its_fronts_hold(split: Releasing) -> None:
    await split.followed(split.want(active="1", canary=Share(version="2", percent=50)))
    for process in psutil.Process(split.server.process.pid).children(recursive=True):
        if "jubako_runner_0" in process.cmdline():
            process.kill()
            process.wait(10)
    async with httpx.AsyncClient(base_url=split.server.url, timeout=60) as client:
        async with AsyncClient(split.server.url) as patient:
            await patient.embed(TEXTS, model=NAME)  # until there is a runner again, callers are told to come back
        for version in ("2", "1"):
            answer = await client.post("/embed", json={"inputs": TEXTS, "model": f"{NAME}:{version}"})
            assert (answer.status_code, answer.json().get("version")) == (200, version), answer.text
    await split.followed(split.want(active="1"))


async def test_a_restart_serves_what_is_wanted_or_else_the_version_before(repository: Path, tmp_path: Path) -> None:
    wanted = {"active": "flipped", "previous": "2"}
    (tmp_path / "first").mkdir()
    with releasing(repository, tmp_path / "first") as first:
        await first.promote("2")
        assert (await first.status())["active"] == "2"
        first.want(**wanted)
        text = first.file.path.read_text()
    (tmp_path / "second" / "shared").mkdir(parents=True)
    (tmp_path / "second" / "shared" / "releases.json").write_text(text)
    with releasing(repository, tmp_path / "second") as second:
        told = await second.status()
        assert (told["active"], told["refused"]["version"]) == ("2", "flipped")
        assert "altered" in told["refused"]["reason"]


def command(server: Releasing, repository: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "JUBAKO_RELEASES__FILE": str(server.file.path), "COLUMNS": "250"}
    return subprocess.Popen(
        [sys.executable, "-m", "jubako", "models", *arguments],
        cwd=repository,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def test_the_commands_lead_a_server_from_version_to_version(single: Releasing, repository: Path) -> None:
    url = ["--wait", "--url", single.server.url]

    async def run(*arguments: str) -> tuple[int, str]:
        process = command(single, repository, *arguments)
        told, _ = await asyncio.to_thread(process.communicate)
        return process.returncode, told

    await single.followed(single.want(active="1"))
    code, told = await run("promote", NAME, "2", *url)
    assert (code, (await single.status())["active"]) == (0, "2"), told
    refused, racing = await asyncio.gather(
        run("promote", NAME, "flipped", *url), run("canary", NAME, "1", "--percent", "25", *url)
    )
    assert refused[0] == 1
    assert "altered since export" in refused[1]
    assert racing[0] == 0, racing[1]
    assert (await single.status())["canary"] == {"version": "1", "percent": 25.0}
    code, told = await run("rollback", NAME, *url)
    status = await single.status()
    assert (code, status["active"], status["previous"], status["canary"]) == (0, "1", "2", None), told
    code, told = await run("releases", "--url", single.server.url)
    assert code == 0
    assert NAME in told
