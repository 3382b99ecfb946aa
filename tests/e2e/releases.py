"""Versions of a model, a releases file, and callers that count: for tests of servers whose versions change."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx

from bundle.bundle import Bundle, seal
from bundle.golden import Golden
from bundle.manifest import MANIFEST_FILE
from bundle.store import save
from serving.releases.changes import promoted
from serving.releases.file import ReleasesFile
from serving.releases.plan import Planned
from tests.e2e.server import Server, running
from tests.tiny import GRAPH_FILE, build_tiny_bundle
from wire._generated import encoder_pb2 as pb
from wire._generated import encoder_pb2_grpc

NAME = "pair"
TEXTS = ["the lacquer box holds three trays of rice and vegetables"] * 2
DIMENSIONS = 1024
WORK = 1
"""With that width, a graph of 17 MiB."""
CONVERGE_S = 60.0


@dataclass
class Counted:
    """What callers met."""

    versions: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Releasing:
    """A server and the releases file that it follows."""

    server: Server
    file: ReleasesFile

    def want(self, **wanted: object) -> Planned:
        """Write an entry as a whole, as an operator with an editor could."""
        entry = Planned.model_validate(wanted)
        return self.file.change(NAME, lambda before: entry)

    async def promote(self, version: str) -> None:
        """Promote a version and wait until every worker has followed."""
        planned = self.file.change(NAME, lambda before: promoted(before, version, None))
        await self.followed(planned, answers=2)

    async def followed(self, planned: Planned, answers: int = 6) -> dict[str, Any]:
        """Wait until whichever worker answers, some times in a row, has followed; return what the last one says."""
        agreeing = 0
        async with asyncio.timeout(CONVERGE_S):
            while agreeing < answers:
                told = await self.status()
                agreeing = agreeing + 1 if told["revision"] == planned.revision else 0
                await asyncio.sleep(0.02)
        return told

    async def status(self) -> dict[str, Any]:
        """Return what a worker says, over a connection of its own."""
        async with httpx.AsyncClient(base_url=self.server.url, timeout=30) as client:
            told: dict[str, Any] = (await client.get(f"/models/{NAME}")).json()["release"]
            return told

    async def only(self, version: str) -> None:
        """Wait until nothing but a version is in memory."""
        agreeing = 0
        async with asyncio.timeout(CONVERGE_S):
            while agreeing < 6:
                agreeing = agreeing + 1 if (await self.status())["loaded"] == [version] else 0
                await asyncio.sleep(0.05)


@contextmanager
def releasing(repository: Path, folder: Path, **environment: str) -> Iterator[Releasing]:
    """Run a server that follows a releases file of its own."""
    file = folder / "shared" / "releases.json"
    own = {
        "JUBAKO_MODELS": f'["{NAME}:1"]',
        "JUBAKO_RELEASES__FILE": str(file),
        "JUBAKO_RELEASES__POLL_MS": "50",
        "JUBAKO_OBSERVABILITY__ACCESS_LOG": "false",
    }
    with running(repository, folder / "log", **{**own, **environment}) as server:
        yield Releasing(server, ReleasesFile(file))


def store_pair(folder: Path) -> None:
    """Store two versions whose vectors differ, and four that no server may serve."""
    for version in ("1", "2"):
        save(_version(folder, version, seed=int(version)))
    flipped = save(_version(folder, "flipped"))
    content = bytearray((flipped.root / GRAPH_FILE).read_bytes())
    content[-100] ^= 1
    (flipped.root / GRAPH_FILE).write_bytes(content)
    missing = save(_version(folder, "missing"))
    (missing.root / "tokenizer.json").unlink()
    misread = save(_version(folder, "misread"))
    manifest = misread.root / MANIFEST_FILE
    manifest.write_text(manifest.read_text().replace('"max_tokens"', '"most_tokens"'))
    other = _version(folder, "other")
    golden = other.golden
    Golden(golden.inputs, -golden.outputs).write(other.root)
    save(seal(other.root, other.manifest))


BROKEN = {
    "flipped": f"{GRAPH_FILE}: altered since export",
    "missing": "tokenizer.json: listed in the manifest but missing",
    "misread": "manifest.json: max_tokens: Field required",
    "other": "golden.npz: cosine -1.0",
    "unheard-of": "no bundle 'pair:unheard-of' in the model store",
}
"""Versions and why they are refused."""


def _version(folder: Path, version: str, seed: int = 0) -> Bundle:
    return build_tiny_bundle(
        folder / version, name=NAME, version=version, seed=seed, dimensions=DIMENSIONS, work=WORK, sizes=()
    )


@asynccontextmanager
async def load(server: Server, connections: int) -> AsyncIterator[Counted]:
    """Send one request after another on each of some connections, until the block ends."""
    counted, stop = Counted(), asyncio.Event()
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as client,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(connections):
            tasks.create_task(_call_until(stop, client, counted))
        try:
            yield counted
        finally:
            stop.set()


async def _call_until(stop: asyncio.Event, client: httpx.AsyncClient, counted: Counted) -> None:
    while not stop.is_set():
        try:
            response = await client.post("/embed", json={"inputs": TEXTS})
        except httpx.TransportError as error:
            counted.failures.append(repr(error))
            continue
        body = response.json()
        if response.status_code != 200 or len(body["data"]) != len(TEXTS):
            counted.failures.append(f"{response.status_code} {response.text[:300]}")
        else:
            counted.versions[body["version"]] += 1


@asynccontextmanager
async def streaming(server: Server) -> AsyncIterator[Counted]:
    """Send one request after another over one stream of gRPC's, until the block ends."""
    counted, stop = Counted(), asyncio.Event()

    async def requests() -> AsyncIterator[pb.EmbedStreamRequest]:
        while not stop.is_set():
            yield pb.EmbedStreamRequest(inputs=[pb.Input(text=text) for text in TEXTS])
            await asyncio.sleep(0.02)

    async def read() -> None:
        async with grpc.aio.insecure_channel(server.grpc_address) as channel:
            async for answer in encoder_pb2_grpc.EncoderStub(channel).EmbedStream(requests()):
                if answer.HasField("error") or len(answer.response.data) != len(TEXTS):
                    counted.failures.append(str(answer)[:300])
                else:
                    counted.versions[answer.response.version] += 1

    reader = asyncio.create_task(read())
    try:
        yield counted
    finally:
        stop.set()
        await reader


def workers_bytes(server: Server) -> int:
    """Return the resident memory of the server when it has come to rest: the least of some looks."""
    looks = []
    for _ in range(10):
        looks.append(server.memory_bytes())
        time.sleep(0.1)
    return min(looks)
