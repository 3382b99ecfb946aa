import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from bundle.bundle import Bundle
from features.pipeline import TOKENIZER_FILE
from features.text import TextTokenizer
from serving.admission import Admission
from serving.api.rpc.server import RpcServer
from serving.batching import Budget
from serving.core import Core
from serving.model import Placement
from serving.queries import EmbedQuery
from serving.scheduler import Scheduler
from serving.settings import Grpc, Settings
from serving.telemetry.metrics import QueueMetrics, SchedulerMetrics
from serving.text_model import TextModel
from tests.e2e.server import free_port
from tests.serving.fakes import FakeDevice
from tests.tiny import MAX_TOKENS
from wire._generated import encoder_pb2 as pb
from wire._generated.encoder_pb2_grpc import EncoderStub


def on_loopback(settings: Settings, **grpc_settings: Any) -> Settings:
    """Return settings that serve gRPC on a free port of the loopback."""
    section = Grpc(**{"host": "127.0.0.1", **grpc_settings})
    return settings.model_copy(update={"grpc_port": free_port(), "grpc": section})


@asynccontextmanager
async def served(core: Core | Callable[[], Core | None], settings: Settings) -> AsyncIterator[RpcServer]:
    """Serve a core over gRPC."""
    server = RpcServer((lambda: core) if isinstance(core, Core) else core, settings)
    await server.start()
    try:
        yield server
    finally:
        await server.drain(0)


@asynccontextmanager
async def connected(server: RpcServer, *options: tuple[str, int]) -> AsyncIterator[Any]:
    """Return a channel of its own connection to a server."""
    private = ("grpc.use_local_subchannel_pool", 1)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=[private, *options]) as channel:
        yield channel


@pytest.fixture
async def server(core: Core, settings: Settings) -> AsyncIterator[RpcServer]:
    async with served(core, on_loopback(settings)) as server:
        yield server


@pytest.fixture
async def channel(server: RpcServer) -> AsyncIterator[Any]:
    async with connected(server) as channel:
        yield channel


@pytest.fixture
def stub(channel: Any) -> Any:
    return EncoderStub(channel)


class Gated:
    """A text model of the tiny bundle's tokeniser, whose device computes when it is told to, and its core."""

    def __init__(self, tiny: Bundle, max_tokens: int = 1_000_000) -> None:
        self.device = FakeDevice(gated=True)
        self.admission = Admission(max_tokens, QueueMetrics("gated"))
        self.settings = Settings(models=["gated"])
        manifest = tiny.manifest.model_copy(update={"name": "gated", "dimensions": 2, "matryoshka": []})
        scheduler = Scheduler(
            self.device, Budget(512, 64, 1.1), self.admission, SchedulerMetrics("gated"), time.monotonic
        )
        features = TextTokenizer(tiny.root / TOKENIZER_FILE, MAX_TOKENS)
        self.core = Core({"gated": TextModel(manifest, Placement("graph", "fake"), features, scheduler)}, self.settings)

    @property
    def rows(self) -> int:
        """Rows that the device was given."""
        return sum(map(len, self.device.batches))

    async def occupied(self) -> "asyncio.Task[Any]":
        """Have the device busy with rows that end when the gate opens."""
        busy = asyncio.create_task(self.core.embed(EmbedQuery(["busy"], timeout_ms=60_000)))
        await until(lambda: bool(self.device.batches))
        return busy


@pytest.fixture
def gated(tiny: Bundle) -> Iterator[Gated]:
    gated = Gated(tiny)
    yield gated
    gated.device.gate.set()
    gated.core.close()


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Let the loop and the threads go on until a condition holds."""
    for _ in range(int(seconds / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("did not happen")


def texts(*given: str, **options: Any) -> pb.EmbedRequest:
    """Return a request to embed texts."""
    return pb.EmbedRequest(inputs=[pb.Input(text=text) for text in given], options=pb.EmbedOptions(**options))


async def refusal(call: Any) -> Any:
    """Await a call that has to fail, and return how."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def told(error: Any) -> tuple[Any, Any]:
    """Return the ErrorInfo and the RetryInfo of a failed call."""
    status = rpc_status.from_call(error)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.message == error.details()
    assert status.details[0].Unpack(info)
    return info, retry if len(status.details) > 1 and status.details[1].Unpack(retry) else None
