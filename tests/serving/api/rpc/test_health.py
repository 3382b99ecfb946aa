import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.api.rpc.server import RpcServer
from serving.core import Core
from serving.errors import Code, JubakoError
from serving.settings import Readiness
from tests.serving.api.rpc.conftest import Gated, connected, on_loopback, refusal, served, told, until

STATUS = health_pb2.HealthCheckResponse.ServingStatus
SERVICES = ["", "jubako.v1.Encoder", "inference.GRPCInferenceService"]


def asking(service: str) -> Any:
    return health_pb2.HealthCheckRequest(service=service)


async def status(channel: Any, service: str) -> str:
    answer = await health_pb2_grpc.HealthStub(channel).Check(asking(service))
    name: str = STATUS.Name(answer.status)
    return name


@pytest.mark.parametrize("service", [*SERVICES, "tiny", "tales", "notes"])
async def test_services_and_models_that_can_answer_are_serving(channel: Any, service: str) -> None:
    assert await status(channel, service) == "SERVING"


async def test_a_service_that_nobody_knows_is_not_found(channel: Any) -> None:
    error = await refusal(health_pb2_grpc.HealthStub(channel).Check(asking("bookz")))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "jubako.v1.Encoder" in error.details()
    assert told(error)[0].metadata["param"] == "service"


async def test_while_models_load_nothing_is_serving_but_their_names_are_known(gated: Gated) -> None:
    settings = on_loopback(gated.settings.model_copy(update={"models": ["gated:3", "other"]}))
    async with served(lambda: None, settings) as server, connected(server) as channel:
        assert {await status(channel, name) for name in [*SERVICES, "gated", "other"]} == {"NOT_SERVING"}
        error = await refusal(health_pb2_grpc.HealthStub(channel).Check(asking("bookz")))
        assert error.code() is grpc.StatusCode.NOT_FOUND


class Ailing:
    """Stands in a model's place; computes nothing, or does."""

    last_success_age_s = float("inf")

    def __init__(self, model: Any) -> None:
        self.manifest = model.manifest
        self.well = True

    async def check(self, timeout_s: float) -> None:
        if not self.well:
            raise JubakoError(Code.DEADLINE, "hangs")


@pytest.fixture
def ailing(gated: Gated) -> Ailing:
    return Ailing(gated.core.models["gated"])


@pytest.fixture
async def ward(gated: Gated, ailing: Ailing) -> AsyncIterator[RpcServer]:
    settings = on_loopback(gated.settings.model_copy(update={"readiness": Readiness(max_age_ms=20)}))
    gated.device.gate.set()
    core = Core({"ailing": ailing, "gated": gated.core.models["gated"]}, settings)  # type: ignore[dict-item]
    async with served(core, settings) as server:
        yield server


async def test_a_model_that_cannot_compute_is_not_serving_and_the_others_are(ward: RpcServer, ailing: Ailing) -> None:
    async with connected(ward) as channel:
        assert await status(channel, "") == await status(channel, "ailing") == "SERVING"
        ailing.well = False
        assert await status(channel, "") == await status(channel, "ailing") == "NOT_SERVING"
        assert await status(channel, "gated") == "SERVING"


async def test_who_watches_is_told_of_every_change(ward: RpcServer, ailing: Ailing) -> None:
    async with connected(ward) as channel:
        call = health_pb2_grpc.HealthStub(channel).Watch(asking("ailing"))
        seen = []
        for well in (True, False, True):
            ailing.well = well
            seen.append(STATUS.Name((await asyncio.wait_for(call.read(), 5)).status))
        assert seen == ["SERVING", "NOT_SERVING", "SERVING"]
        call.cancel()


async def test_who_watches_what_nobody_knows_is_told_so_and_may_wait_for_it(ward: RpcServer) -> None:
    async with connected(ward) as channel:
        call = health_pb2_grpc.HealthStub(channel).Watch(asking("bookz"))
        assert STATUS.Name((await call.read()).status) == "SERVICE_UNKNOWN"
        call.cancel()


async def test_health_flips_before_anything_else_stops(gated: Gated) -> None:
    gated.device.gate.set()
    async with served(gated.core, on_loopback(gated.settings)) as server, connected(server) as channel:
        call = health_pb2_grpc.HealthStub(channel).Watch(asking(""))
        assert STATUS.Name((await call.read()).status) == "SERVING"
        await server.announce()
        assert STATUS.Name((await call.read()).status) == "NOT_SERVING"
        assert (await refusal(call.read())).code() is grpc.StatusCode.UNAVAILABLE
        assert {await status(channel, name) for name in ("", "gated")} == {"NOT_SERVING"}


async def test_watchers_are_bounded_and_leave_nothing_behind(gated: Gated) -> None:
    gated.device.gate.set()
    async with served(gated.core, on_loopback(gated.settings, max_watchers=3)) as server, connected(server) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        tasks = len(asyncio.all_tasks())
        calls = [stub.Watch(asking("")) for _ in range(3)]
        for call in calls:
            await call.read()
        error = await refusal(stub.Watch(asking("")).read())
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for call in calls:
            call.cancel()
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        again = stub.Watch(asking(""))
        await again.read()
        again.cancel()
