import asyncio
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic import ValidationError

from serving.api.rpc.server import LINGER_S, RpcServer, check_port
from serving.settings import Grpc, Settings
from tests.serving.api.rpc.conftest import Gated, connected, on_loopback, refusal, served, texts, until
from wire._generated import encoder_pb2 as pb
from wire._generated.encoder_pb2_grpc import EncoderStub


async def test_with_port_0_nothing_is_served(gated: Gated) -> None:
    server = RpcServer(lambda: gated.core, gated.settings.model_copy(update={"grpc_port": 0}))
    await server.start()
    await server.announce()
    await server.drain(1)
    assert server.port == 0


async def test_a_port_that_is_taken_is_told_with_what_to_do(gated: Gated) -> None:
    settings = on_loopback(gated.settings)
    async with served(gated.core, settings):
        with pytest.raises(RuntimeError, match="JUBAKO_GRPC_PORT"):
            await RpcServer(lambda: gated.core, settings).start()
        with pytest.raises(RuntimeError, match="JUBAKO_GRPC_PORT"):
            check_port(settings)
    check_port(settings)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "localhost"])
def test_a_free_port_is_no_error_on_any_address(gated: Gated, host: str) -> None:
    check_port(on_loopback(gated.settings, host=host))
    check_port(gated.settings.model_copy(update={"grpc_port": 0}))


async def test_only_fronts_of_one_server_share_a_port(gated: Gated) -> None:
    settings = on_loopback(gated.settings).model_copy(update={"topology": "split", "fronts": 2})
    async with served(gated.core, settings), served(gated.core, settings):
        pass


async def test_a_draining_server_answers_what_it_has_accepted_and_nothing_more(gated: Gated) -> None:
    async with served(gated.core, on_loopback(gated.settings)) as server, connected(server) as channel:
        stub = EncoderStub(channel)
        accepted = asyncio.ensure_future(_awaited(stub.Embed(texts("a", "b"))))
        await until(lambda: gated.admission.held_tokens > 0)
        draining = asyncio.create_task(server.drain(10))
        await asyncio.sleep(0.02)
        assert not draining.done()
        error = await refusal(stub.Embed(texts("late")))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        await asyncio.sleep(LINGER_S + 0.2)  # when gRPC itself stops: what runs then has the rest of the time
        gated.device.gate.set()
        assert len((await accepted).data) == 2
        await asyncio.wait_for(draining, 5)
        async with connected(server) as other:
            error = await refusal(EncoderStub(other).Embed(texts("x"), timeout=2))
        assert error.code() is grpc.StatusCode.UNAVAILABLE


async def _awaited(call: Any) -> Any:
    return await call


async def test_draining_takes_no_longer_than_it_may(gated: Gated) -> None:
    async with served(gated.core, on_loopback(gated.settings)) as server, connected(server) as channel:
        call = asyncio.ensure_future(refusal(EncoderStub(channel).Embed(texts("a"))))
        await until(lambda: gated.admission.held_tokens > 0)
        await asyncio.wait_for(server.drain(0.3), 2)
        assert (await call).code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        await until(lambda: gated.admission.held_tokens == 0)


async def test_a_second_drain_cuts_the_first_one_short(gated: Gated) -> None:
    async with served(gated.core, on_loopback(gated.settings)) as server, connected(server) as channel:
        call = asyncio.ensure_future(refusal(EncoderStub(channel).Embed(texts("a"))))
        await until(lambda: gated.admission.held_tokens > 0)
        draining = asyncio.create_task(server.drain(60))
        await asyncio.sleep(0.3)
        await asyncio.wait_for(server.drain(0), 2)
        await asyncio.wait_for(draining, 2)
        await call


async def test_clients_that_ask_whether_it_is_there_every_second_are_not_sent_away(gated: Gated) -> None:
    pinging = [
        ("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]  # fmt: skip
    async with served(gated.core, on_loopback(gated.settings)) as server, connected(server, *pinging) as channel:
        call = asyncio.ensure_future(_awaited(EncoderStub(channel).Embed(texts("a"))))
        await asyncio.sleep(5.5)  # gRPC asks once a second at most, and by default three times are too many
        gated.device.gate.set()
        assert (await call).model == "gated"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


async def test_tls_is_served_with_a_certificate(gated: Gated, certificate: tuple[Path, Path]) -> None:
    made, key = certificate
    gated.device.gate.set()
    settings = on_loopback(gated.settings, tls_certificate=made, tls_key=key)
    async with served(gated.core, settings) as server:
        trusted = grpc.ssl_channel_credentials(made.read_bytes())
        async with grpc.aio.secure_channel(f"127.0.0.1:{server.port}", trusted) as channel:
            assert (await EncoderStub(channel).Embed(texts("a"))).model == "gated"
        async with connected(server) as plain:
            assert (
                await refusal(EncoderStub(plain).Embed(texts("a"), timeout=3))
            ).code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_that_cannot_be_used_is_told_at_the_start(
    gated: Gated, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    made, key = certificate
    missing = on_loopback(gated.settings, tls_certificate=tmp_path / "none.pem", tls_key=key)
    with pytest.raises(RuntimeError, match=r"none\.pem, which cannot be read"):
        await RpcServer(lambda: gated.core, missing).start()
    (tmp_path / "rubbish.pem").write_text("rubbish")
    rubbish = on_loopback(gated.settings, tls_certificate=made, tls_key=tmp_path / "rubbish.pem")
    with pytest.raises(RuntimeError, match="certificate"):
        await RpcServer(lambda: gated.core, rubbish).start()


def test_certificate_and_key_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="go together"):
        Grpc(tls_certificate=tmp_path)
    with pytest.raises(ValidationError, match="grpc_port"):
        Settings(grpc_port=70_000)


async def test_an_answer_may_be_larger_than_a_request_may_be(gated: Gated) -> None:
    gated.device.gate.set()
    settings = on_loopback(gated.settings, max_message_bytes=20_000)
    async with served(gated.core, settings) as server, connected(server) as channel:
        request = pb.EmbedRequest(inputs=[pb.Input(text="a")] * 2000)
        assert len((await EncoderStub(channel).Embed(request)).data) == 2000
