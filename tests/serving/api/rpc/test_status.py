from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.api.rpc.server import RpcServer
from serving.api.rpc.status import MAX_TOLD_BYTES, error_metadata, shortened
from serving.core import Core
from serving.errors import TABLE, Code, JubakoError
from tests.serving.api.rpc.conftest import Gated, connected, on_loopback, refusal, served, texts, told
from wire._generated.encoder_pb2_grpc import EncoderStub


class Failing(Core):
    """Raises what it is given."""

    error: Exception = JubakoError(Code.FAILED, "")

    async def embed(self, query: object) -> Any:
        raise self.error


@pytest.fixture
def failing(gated: Gated) -> Failing:
    return Failing(gated.core.models, gated.settings)


@pytest.fixture
async def server(failing: Failing) -> AsyncIterator[RpcServer]:
    async with served(failing, on_loopback(failing.settings)) as server:
        yield server


@pytest.mark.parametrize("code", Code)
async def test_every_code_of_the_table_arrives_with_its_details(stub: Any, failing: Failing, code: Code) -> None:
    retry_after_s = 2.5 if TABLE[code].retry else None
    failing.error = JubakoError(code, "do «this»\n instead", param="inputs.3", retry_after_s=retry_after_s)
    error = await refusal(stub.Embed(texts("x")))
    assert error.code() is grpc.StatusCode[TABLE[code].grpc]
    assert error.details() == "do «this»\n instead"
    info, retry = told(error)
    assert (info.reason, info.domain, dict(info.metadata)) == (code.value, "jubako", {"param": "inputs.3"})
    metadata = dict(error.trailing_metadata())
    if TABLE[code].retry:
        assert (retry.retry_delay.seconds, metadata["retry-after"]) == (3, "3")
    else:
        assert retry is None
        assert "retry-after" not in metadata


async def test_an_unexpected_error_is_internal_logged_and_not_told(
    stub: Any, failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    failing.error = ZeroDivisionError("secret")
    error = await refusal(stub.Embed(texts("x"), metadata=(("x-request-id", "r-1"),)))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(error)
    assert told(error)[0].reason == "failed"
    [record] = [record for record in caplog.records if record.name == "jubako.rpc" and record.exc_info]
    assert "/jubako.v1.Encoder/Embed failed, request r-1" in record.message
    assert "secret" in caplog.text


@pytest.mark.parametrize("name", ["x" * 100_000, "数" * 50_000, "\U0001f371" * 5000, "a\x00\n\t%b"])
async def test_a_message_of_any_length_and_script_reaches_the_client(gated: Gated, name: str) -> None:
    async with served(gated.core, on_loopback(gated.settings)) as server, connected(server) as channel:
        error = await refusal(EncoderStub(channel).Embed(texts("x", model=name)))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert error.details().startswith("unknown model '")
    assert told(error)[0].reason == "unknown_model"


@given(st.text())
def test_a_shortened_text_is_the_text_or_its_beginning(text: str) -> None:
    short = shortened(text * 20)
    assert len(short.encode()) <= MAX_TOLD_BYTES
    assert short == text * 20 or (short.endswith("…") and (text * 20).startswith(short[:-1]))


def test_seconds_are_rounded_up() -> None:
    told_metadata = dict(error_metadata(JubakoError(Code.OVERLOADED, "", retry_after_s=0.2)))
    assert told_metadata["retry-after"] == "1"
