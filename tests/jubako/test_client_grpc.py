"""The clients over gRPC, against a server that is scripted: statuses, tries, streams, what is written and read."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from hypothesis import given
from hypothesis import strategies as st

from jubako import AsyncClient, Client, DeadlineError, ServerError, ServerUnreachable
from jubako.client import messages
from jubako.client.grpc_methods import EMBED_STREAM, METHODS
from jubako.errors import HTTP_STATUS
from serving.api.rpc.status import error_metadata, status_code
from serving.api.rpc.structs import fields_of
from serving.errors import TABLE, Code, JubakoError
from wire._generated import encoder_pb2 as pb


class Scripted:
    """Answers each call with what comes next in its script for its kind, stream or unary: a message, or an error."""

    def __init__(self) -> None:
        self._turn = Lock()
        self.script: deque[Message | JubakoError | grpc.StatusCode] = deque()
        self.asked: list[tuple[bytes, dict[str, Any], float | None]] = []

    def service(self, call: Any) -> Any:
        if call.method == EMBED_STREAM:
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(self._unary)

    def _unary(self, data: bytes, context: Any) -> bytes:
        self.asked.append((data, dict(context.invocation_metadata()), context.time_remaining()))
        return self._next(context, pb.EmbedStreamResponse)

    def _stream(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for data in requests:
            self.asked.append((data, dict(context.invocation_metadata()), context.time_remaining()))
            yield self._next(context, pb.EmbedResponse)

    def _next(self, context: Any, others: type[Message]) -> bytes:
        with self._turn:
            told = next(each for each in self.script if not isinstance(each, others))
            self.script.remove(told)
        if isinstance(told, Message):
            return told.SerializeToString()
        if isinstance(told, grpc.StatusCode):
            context.abort(told, "plain")
        context.set_trailing_metadata((*error_metadata(told), ("x-request-id", "known-as")))
        context.abort(status_code(told), told.message)
        raise AssertionError


@pytest.fixture
def server() -> Iterator[tuple[Scripted, str]]:
    script = Scripted()
    with ThreadPoolExecutor(8) as pool:
        running = grpc.server(pool)
        running.add_generic_rpc_handlers((script,))
        port = running.add_insecure_port("127.0.0.1:0")
        running.start()
        yield script, f"grpc://127.0.0.1:{port}"
        running.stop(None).wait()


def vectors(*values: float) -> pb.EmbedResponse:
    data = [pb.Embedding(packed=np.float32(value).tobytes()) for value in values]
    return pb.EmbedResponse(model="text", version="1", data=data, usage=pb.Usage(tokens=2))


def streamed(*values: float) -> pb.EmbedStreamResponse:
    return pb.EmbedStreamResponse(response=vectors(*values))


BUSY = JubakoError(Code.OVERLOADED, "later", retry_after_s=0.01)


def test_a_request_carries_its_time_its_name_and_the_key(server: tuple[Scripted, str]) -> None:
    script, url = server
    script.script.append(vectors(1.0))
    with Client(url, timeout_s=7, api_key="secret", headers={"X-Team": "search"}) as client:
        assert client.embed("rice", model="text", dimensions=8, truncate=False, request_id="mine").tokens == 2
    [(data, metadata, left_s)] = script.asked
    request = pb.EmbedRequest.FromString(data)
    assert [each.text for each in request.inputs] == ["rice"]
    options = request.options
    assert (options.model, options.dimensions, options.truncate) == ("text", 8, False)
    assert not options.HasField("normalize")
    assert (metadata["authorization"], metadata["x-team"]) == ("Bearer secret", "search")
    assert metadata["x-request-id"] == "mine"
    assert metadata["user-agent"].startswith("jubako-python")
    assert left_s is not None
    assert 6 < left_s < 7.5  # gRPC rounds up on its way


@pytest.mark.parametrize("code", Code)
def test_every_error_is_the_one_that_http_tells(server: tuple[Scripted, str], code: Code) -> None:
    script, url = server
    script.script.append(JubakoError(code, "what to do", param="k", retry_after_s=2))
    with Client(url, retries=0) as client, pytest.raises(ServerError) as caught:
        client.recommend()
    error = caught.value
    assert (error.status, error.code, error.message) == (TABLE[code].http, code.value, "what to do")
    assert (error.param, error.retry_after_s, error.request_id) == ("k", 2.0, "known-as")
    assert isinstance(error, DeadlineError) == (code is Code.DEADLINE)


def test_the_client_knows_the_status_of_every_code() -> None:
    ours = {"version_changed": 409}
    assert {**{code.value: mapping.http for code, mapping in TABLE.items()}, **ours} == HTTP_STATUS


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (grpc.StatusCode.UNIMPLEMENTED, "unknown_path"),
        (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_large"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "deadline"),
        (grpc.StatusCode.UNKNOWN, "unknown"),
    ],
)
def test_a_status_without_details_is_told_too(server: tuple[Scripted, str], status: Any, code: str) -> None:
    script, url = server
    script.script.append(status)
    with Client(url) as client, pytest.raises(ServerError) as caught:
        client.embed("rice")
    assert caught.value.code == code


def test_a_busy_server_and_one_that_breaks_off_are_asked_again(server: tuple[Scripted, str]) -> None:
    script, url = server
    script.script.extend([BUSY, grpc.StatusCode.UNAVAILABLE, vectors(5.0)])
    with Client(url) as client:
        np.testing.assert_array_equal(client.embed("rice").vectors, [[5.0]])
    assert len(script.asked) == 3


async def test_the_async_client_asks_again_too(server: tuple[Scripted, str]) -> None:
    script, url = server
    script.script.extend([BUSY, vectors(5.0), grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE])
    async with AsyncClient(url, retries=1) as client:
        np.testing.assert_array_equal((await client.embed("rice")).vectors, [[5.0]])
        with pytest.raises(ServerUnreachable, match="plain"):
            await client.embed("rice")


def test_what_is_at_fault_is_not_asked_again(server: tuple[Scripted, str]) -> None:
    script, url = server
    script.script.append(JubakoError(Code.TOO_LARGE, "split it", param="inputs"))
    with Client(url) as client, pytest.raises(ServerError, match="too_large"):
        client.embed("rice")
    assert len(script.asked) == 1


def failed(code: Code, param: str | None = None) -> pb.EmbedStreamResponse:
    info, packed = error_details_pb2.ErrorInfo(reason=code.value, domain="jubako"), any_pb2.Any()
    if param is not None:
        info.metadata["param"] = param
    packed.Pack(info)
    retry = any_pb2.Any()
    retry.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=10**7)))
    return pb.EmbedStreamResponse(error=status_pb2.Status(message="no", details=[packed, retry]))


async def in_order(client: AsyncClient, texts: list[str]) -> list[float]:
    return [float(value) async for part in client.embed_stream(texts) for value in part.vectors[:, 0]]


STREAMS: dict[str, list[Any]] = {
    "nothing happens": [streamed(0), streamed(1), streamed(2)],
    "one is refused and asked again": [streamed(0), failed(Code.OVERLOADED), streamed(2), vectors(1)],
    "the stream breaks": [streamed(0), grpc.StatusCode.UNAVAILABLE, vectors(1), vectors(2)],
    "the server stops": [streamed(0), JubakoError(Code.NOT_READY, "stopping"), vectors(1), vectors(2)],
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("in_flight", [1, 2])
def test_a_stream_is_answered_in_order_whatever_happens(
    server: tuple[Scripted, str], name: str, in_flight: int
) -> None:
    script, url = server
    script.script.extend(STREAMS[name])
    with Client(url, part_inputs=1, in_flight=in_flight) as client:
        told = [float(value) for part in client.embed_stream(["a", "b", "c"]) for value in part.vectors[:, 0]]
    assert told == [0, 1, 2]
    assert not script.script


@pytest.mark.parametrize("name", STREAMS)
async def test_an_async_stream_is_answered_in_order_whatever_happens(server: tuple[Scripted, str], name: str) -> None:
    script, url = server
    script.script.extend(STREAMS[name])
    async with AsyncClient(url, part_inputs=1, in_flight=2) as client:
        assert await in_order(client, ["a", "b", "c"]) == [0, 1, 2]


def test_an_error_of_a_stream_s_request_is_raised(server: tuple[Scripted, str]) -> None:
    script, url = server
    script.script.extend([failed(Code.UNKNOWN_MODEL, "model"), JubakoError(Code.UNKNOWN_MODEL, "no", param="model")])
    with Client(url) as client, pytest.raises(ServerError, match="unknown_model"):
        list(client.embed_stream(["a"]))


def test_whether_the_server_is_ready(server: tuple[Scripted, str]) -> None:
    script, url = server
    statuses = health_pb2.HealthCheckResponse
    script.script.extend([statuses(status=statuses.SERVING), statuses(status=statuses.NOT_SERVING), BUSY])
    with Client(url) as client:
        assert [client.ready() for _ in range(3)] == [True, False, False]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(record=st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_a_record_reaches_the_server_as_it_was(record: dict[str, Any]) -> None:
    request = messages.embed_request({"inputs": [record, "text", 7]})
    arrived = pb.EmbedRequest.FromString(request.SerializeToString())
    assert fields_of(arrived.inputs[0].record) == record
    assert [each.text for each in arrived.inputs[1:]] == ["text", "7"]


@pytest.mark.parametrize(
    ("operation", "body", "param"),
    [
        ("embed", {"inputs": [1.5]}, "inputs.0"),
        ("embed", {"inputs": [{"title": {1}}]}, "inputs.0.title"),
        ("embed", {"inputs": ["a"], "dimensions": "8"}, "dimensions"),
        ("embed", {"inputs": ["a"], "dimensions": -8}, "dimensions"),
        ("embed", {"inputs": ["a"], "output_dtype": "int4"}, "output_dtype"),
        ("classify", {"inputs": ["a"], "candidate_labels": ["a", 5]}, "candidate_labels"),
        ("recommend", {"k": 2**40}, "k"),
        ("recommend", {"user": {"history": "abc"}}, "user.history"),
        ("recommend", {"user": {"history": [True]}}, "user.history.0"),
        ("recommend", {"user": {"attributes": 5}}, "user.attributes"),
        ("recommend", {"items": ["1", None]}, "items.1"),
        ("recommend", {"filters": {"any": 5}}, "filters.any"),
    ],
)
def test_what_no_message_can_hold_is_refused_with_its_place(operation: Any, body: dict[str, Any], param: str) -> None:
    with pytest.raises(ServerError) as caught:
        METHODS[operation].write(body)
    assert (caught.value.code, caught.value.status, caught.value.param) == ("invalid_value", 422, param)
