"""A caller's deadline and a caller's leaving reach the queue: rows that nobody waits for are never computed."""

import asyncio
from time import monotonic
from typing import Any

import grpc
import pytest
from prometheus_client import REGISTRY

from serving.api.rpc.call import LEAST_MS, Call
from serving.telemetry.late import tell_all
from tests.serving.api.rpc.conftest import Gated, connected, on_loopback, refusal, served, texts, told, until
from wire._generated import encoder_pb2 as pb
from wire._generated.encoder_pb2_grpc import EncoderStub


def rows_computed() -> float:
    tell_all()
    return REGISTRY.get_sample_value("jubako_rows_total", {"model": "gated", "version": ""}) or 0


async def test_a_deadline_behind_a_queue_is_met_and_its_row_is_never_computed(gated: Gated) -> None:
    async with served(gated.core, on_loopback(gated.settings)) as server, connected(server) as channel:
        stub = EncoderStub(channel)
        busy = await gated.occupied()
        held, before = gated.admission.held_tokens, rows_computed()
        begin = monotonic()
        error = await refusal(stub.Embed(texts("late"), timeout=0.05))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert monotonic() - begin < 0.1
        await until(lambda: gated.admission.held_tokens == held)
        gated.device.gate.set()
        await busy
        await stub.Embed(texts("after"))
        assert rows_computed() - before == 2  # the busy one and the one after


async def test_the_smaller_of_both_deadlines_counts(gated: Gated) -> None:
    gated.settings.limits.deadline_ms = 60
    async with served(gated.core, on_loopback(gated.settings)) as server, connected(server) as channel:
        await gated.occupied()
        begin = monotonic()
        error = await refusal(EncoderStub(channel).Embed(texts("late"), timeout=30))
        assert monotonic() - begin < 1
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert told(error)[0].reason == "deadline"


@pytest.mark.parametrize(("remaining_s", "expected_ms"), [(None, 500.0), (0.02, 20.0), (30.0, 500.0), (0.0, LEAST_MS)])
def test_what_is_left_is_never_none_at_all(remaining_s: float | None, expected_ms: float) -> None:
    class Context:
        def time_remaining(self) -> float | None:
            return remaining_s

    assert Call(Context(), pb.EmbedRequest.FromString, "").timeout_ms(500.0) == pytest.approx(expected_ms)


async def test_a_caller_that_leaves_frees_its_slot(gated: Gated) -> None:
    async with served(gated.core, on_loopback(gated.settings)) as server, connected(server) as channel:
        stub = EncoderStub(channel)
        busy = await gated.occupied()
        held = gated.admission.held_tokens
        calls = [stub.Embed(texts(*["gone"] * 50)) for _ in range(4)]
        await until(lambda: gated.admission.held_tokens > 200)
        for call in calls:
            call.cancel()
        await until(lambda: gated.admission.held_tokens == held)
        gated.device.gate.set()
        await busy
        await stub.Embed(texts("after"))
        assert gated.rows == 2


async def test_a_connection_that_breaks_frees_its_slots(gated: Gated) -> None:
    async with served(gated.core, on_loopback(gated.settings)) as server:
        await gated.occupied()
        held = gated.admission.held_tokens
        async with connected(server) as channel:
            stub = EncoderStub(channel)
            calls: list[Any] = [asyncio.ensure_future(refusal(stub.Embed(texts("gone")))) for _ in range(3)]
            await until(lambda: gated.admission.held_tokens >= held + 9)
        await until(lambda: gated.admission.held_tokens == held)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
