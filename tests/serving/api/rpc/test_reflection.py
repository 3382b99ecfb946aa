"""A client that knows no proto file asks the server what there is."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from bundle.bundle import Bundle
from serving.api.rpc.server import RpcServer
from tests.serving.api.rpc.conftest import Gated, connected, on_loopback, refusal, served
from tests.tiny import embed_directly

SERVICES = {
    "jubako.v1.Encoder", "inference.GRPCInferenceService", "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
}  # fmt: skip


@contextmanager
def reflected(port: int) -> Iterator[tuple[Any, ProtoReflectionDescriptorDatabase]]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel, ProtoReflectionDescriptorDatabase(channel)


def called(channel: Any, database: Any, service: str, method: str, **fields: Any) -> Any:
    described = DescriptorPool(database).FindServiceByName(service).FindMethodByName(method)
    request = GetMessageClass(described.input_type)(**fields)
    return channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(described.output_type).FromString,
    )(request, timeout=10)


async def test_services_of_both_pools_are_listed_and_called(server: RpcServer, tiny: Bundle) -> None:
    def ask() -> tuple[set[str], Any, Any, Any]:
        with reflected(server.port) as (channel, database):
            return (
                set(database.get_services()),
                called(channel, database, "jubako.v1.Encoder", "Embed", inputs=[{"text": "rice"}]),
                called(channel, database, "inference.GRPCInferenceService", "ServerLive"),
                called(channel, database, "grpc.health.v1.Health", "Check"),
            )

    services, embedded, live, health = await asyncio.to_thread(ask)
    assert services == SERVICES
    np.testing.assert_allclose(
        np.frombuffer(embedded.data[0].packed, "<f4"), embed_directly(tiny.root, ["rice"])[0], atol=1e-6
    )
    assert live.live
    assert health.status == 1


async def test_what_nobody_knows_is_not_found(server: RpcServer) -> None:
    def ask() -> list[str]:
        missing = []
        with reflected(server.port) as (_, database):
            for look_up, name in (
                (database.FindFileByName, "nothing.proto"), (database.FindFileContainingSymbol, "jubako.v1.Nothing")
            ):  # fmt: skip
                try:
                    look_up(name)
                except KeyError:
                    missing.append(name)
            assert list(database.FindAllExtensionNumbers("jubako.v1.EmbedRequest")) == []
        return missing

    assert await asyncio.to_thread(ask) == ["nothing.proto", "jubako.v1.Nothing"]


async def test_reflection_can_be_turned_off(gated: Gated) -> None:
    async with (
        served(gated.core, on_loopback(gated.settings, reflection=False)) as server,
        connected(server) as channel,
    ):
        call = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")()
        assert (await refusal(call.read())).code() is grpc.StatusCode.UNIMPLEMENTED
