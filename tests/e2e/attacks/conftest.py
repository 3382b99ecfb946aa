"""What somebody sends who means harm, to a real server: it is refused with an error that is expected, costs little, and
the server answers others meanwhile and afterwards."""

from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest

from tests.e2e.conftest import Guarded
from wire._generated.encoder_pb2_grpc import EncoderStub


@pytest.fixture(autouse=True)
def unharmed(guarded: Guarded) -> Iterator[None]:
    """After each attack the server answers, and has said nothing of a fault of its own."""
    before = len(guarded.server.log.read_text())
    yield
    answer = httpx.post(f"{guarded.server.url}/embed", json={"inputs": ["rice"]}, headers=guarded.bearer("all"))
    assert answer.status_code == 200
    told = guarded.server.log.read_text()[before:]
    assert "Traceback" not in told, told


@pytest.fixture
def client(guarded: Guarded) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.server.url, headers=guarded.bearer("all"), timeout=30) as client:
        yield client


@pytest.fixture
def stub(guarded: Guarded) -> Iterator[Any]:
    with grpc.insecure_channel(guarded.server.grpc_address) as channel:
        yield EncoderStub(channel)
