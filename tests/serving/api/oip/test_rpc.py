"""The protocol over gRPC, from Triton's own client to a server in this process."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc.aio as triton
from google.rpc import error_details_pb2, status_pb2
from tritonclient.utils import InferenceServerException

from serving.api.rpc.server import RpcServer
from serving.core import Core
from serving.settings import Grpc, Settings
from tests.e2e.server import free_port
from tests.serving.api.oip.conftest import infer as infer_over_http
from tests.serving.api.oip.conftest import tensor
from wire._generated import predict_pb2 as pb

SERVICE = "/inference.GRPCInferenceService"


def texts(name: str, *values: str) -> Any:
    given = triton.InferInput(name, [len(values)], "BYTES")
    return given.set_data_from_numpy(np.array([value.encode() for value in values], dtype=object))


@pytest.fixture
async def address(core: Core) -> AsyncIterator[str]:
    settings = Settings(grpc_port=free_port(), grpc=Grpc(host="127.0.0.1"), limits=core.settings.limits)
    server = RpcServer(lambda: core, settings)
    await server.start()
    yield f"127.0.0.1:{settings.grpc_port}"
    await server.drain(1)


@pytest.fixture
async def client(address: str) -> AsyncIterator[Any]:
    async with triton.InferenceServerClient(address) as client:
        yield client


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel


async def test_the_server_and_its_models_are_live_and_ready(client: Any) -> None:
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready("tiny")
    assert await client.is_model_ready("tiny", "1")
    with pytest.raises(InferenceServerException, match="unknown model 'bookz'"):
        await client.is_model_ready("bookz")
    with pytest.raises(InferenceServerException, match="loaded: 1"):
        await client.is_model_ready("tiny", "2")


async def test_a_server_that_stops_is_live_but_not_ready(client: Any, core: Core) -> None:
    core.stopping = True
    try:
        assert await client.is_server_live()
        assert not await client.is_server_ready()
        assert not await client.is_model_ready("tiny")
    finally:
        core.stopping = False


async def test_the_server_and_its_models_are_described(client: Any) -> None:
    assert (await client.get_server_metadata()).name == "jubako"
    metadata = await client.get_model_metadata("tales")
    assert [output.name for output in metadata.outputs] == ["label", "name", "score", "assigned"]
    assert list(metadata.outputs[2].shape) == [-1, 5]
    config = (await client.get_model_config("tales")).config
    assert config.max_batch_size > 0
    assert [(each.name, each.optional) for each in config.input] == [("text", False), ("record", True)]
    assert list(config.output[2].dims) == [5]


async def test_a_request_of_texts_is_answered_as_over_http(client: Any, core: Core, http: Any) -> None:
    answer = await client.infer("tiny", [texts("text", "hello world", "数据")], request_id="seven")
    told = await infer_over_http(http, "tiny", tensor("text", ["hello world", "数据"]))
    np.testing.assert_array_equal(
        answer.as_numpy("embedding").ravel(), np.array(told["embedding"]["data"], dtype=np.float32)
    )
    assert (answer.get_response().id, answer.get_response().model_name) == ("seven", "tiny")


async def test_options_are_parameters(client: Any) -> None:
    answer = await client.infer(
        "books", [texts("user", "ann")], outputs=[triton.InferRequestedOutput("id")],
        parameters={"k": 3, "exclude_seen": False, "filters": '{"any": {"tags": ["fantasy"]}}', "diversity": 0.5},
    )  # fmt: skip
    assert answer.as_numpy("id").shape == (3,)
    assert answer.as_numpy("title") is None


async def infer_raw(channel: grpc.aio.Channel, raw: bytes, method: str = "ModelInfer") -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as found:
        await channel.unary_unary(f"{SERVICE}/{method}", None, None)(raw)
    return found.value


async def test_an_error_has_the_status_and_the_details_of_the_table(channel: grpc.aio.Channel) -> None:
    request = pb.ModelInferRequest(model_name="books")
    request.inputs.add(name="item", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"999")
    error = await infer_raw(channel, request.SerializeToString())
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "no such item: '999'" in (error.details() or "")
    trailing: dict[str, Any] = dict(iter(error.trailing_metadata()))
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(trailing["grpc-status-details-bin"]).details[0].Unpack(info)
    assert (info.reason, info.domain, info.metadata["param"]) == ("unknown_item", "jubako", "item.0")


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x80"])
async def test_what_is_no_message_is_an_invalid_argument(channel: grpc.aio.Channel, raw: bytes) -> None:
    assert (await infer_raw(channel, raw)).code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", ["ModelStreamInfer", "ModelStatistics", "RepositoryIndex"])
async def test_methods_that_are_not_served_are_unimplemented(channel: grpc.aio.Channel, method: str) -> None:
    assert (await infer_raw(channel, b"", method)).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_client_s_deadline_and_the_parameter_both_hold(client: Any) -> None:
    with pytest.raises(InferenceServerException) as found:
        await client.infer("tiny", [texts("text", "a")], timeout=1)
    assert found.value.status() == "StatusCode.DEADLINE_EXCEEDED"
