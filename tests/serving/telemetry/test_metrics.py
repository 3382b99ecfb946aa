"""Metrics say what happened, at the place where it did."""

import asyncio

import httpx
import pytest
from prometheus_client import REGISTRY

from serving.errors import Code, JubakoError
from serving.queries import EmbedQuery
from serving.telemetry.late import tell_all
from serving.telemetry.metrics import InFlightMetrics
from tests.serving.api.conftest import client, core, settings
from tests.serving.api.rpc.conftest import Gated, gated

__all__ = ["client", "core", "gated", "settings"]
"""Fixtures of the transports' tests."""


def value(name: str, **labels: str) -> float:
    tell_all()
    return REGISTRY.get_sample_value(f"jubako_{name}", labels) or 0.0


@pytest.mark.parametrize(
    ("method", "path", "body", "endpoint", "status", "code"),
    [
        ("POST", "/embed", {"inputs": ["rice"], "model": "none"}, "/embed", "404", "unknown_model"),
        ("POST", "/embed", {"inputs": []}, "/embed", "422", "invalid_value"),
        ("POST", "/embed", {"inputs": ["rice"], "dimensions": 7}, "/embed", "422", "invalid_value"),
        ("GET", "/embed", None, "/embed", "405", "wrong_method"),
        ("GET", "/v2/models/none", None, "/v2/models/{name}", "404", "unknown_model"),
        ("GET", "/nowhere/at/all", None, "unknown", "404", "unknown_path"),
    ],
)
async def test_errors_are_counted_by_endpoint_status_and_code(
    client: httpx.AsyncClient, method: str, path: str, body: object, endpoint: str, status: str, code: str
) -> None:
    def counted() -> tuple[float, float]:
        labels = {"endpoint": endpoint, "status": status}
        return value("errors_total", **labels, code=code), value("request_seconds_count", **labels)

    before = counted()
    assert (await client.request(method, path, json=body)).status_code == int(status)
    assert counted() == (before[0] + 1, before[1] + 1)


async def test_an_answer_is_no_error(client: httpx.AsyncClient) -> None:
    def errors() -> float:
        samples = (sample for family in REGISTRY.collect() for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name == "jubako_errors_total")

    before = errors(), value("tokenize_seconds_count", model="tiny")
    assert (await client.post("/embed", json={"inputs": ["rice", 5]})).status_code == 200
    assert (errors(), value("tokenize_seconds_count", model="tiny")) == (before[0], before[1] + 1)


async def test_requests_in_flight_are_those_without_an_answer() -> None:
    metrics = InFlightMetrics("tests")
    for act, left in ((metrics.begun, 1), (metrics.begun, 2), (metrics.ended, 1), (metrics.ended, 0)):
        act()
        assert value("requests_in_flight", protocol="tests") == left


async def test_a_deadline_that_passes_in_the_queue_is_counted(gated: Gated) -> None:
    before = value("deadline_missed_total", model="gated")
    busy = await gated.occupied()
    with pytest.raises(JubakoError) as caught:
        await gated.core.embed(EmbedQuery(["late"], timeout_ms=20))
    assert caught.value.code is Code.DEADLINE
    assert value("deadline_missed_total", model="gated") == before + 1
    gated.device.gate.set()
    await busy


async def test_a_caller_that_leaves_is_counted(gated: Gated) -> None:
    before = value("cancelled_total", model="gated"), value("deadline_missed_total", model="gated")
    busy = await gated.occupied()
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    after = value("cancelled_total", model="gated"), value("deadline_missed_total", model="gated")
    assert after == (before[0] + 1, before[1])


async def test_micro_batches_tell_their_tokens_with_padding(client: httpx.AsyncClient) -> None:
    names = ("batch_tokens_sum", "padded_tokens_total", "batch_tokens_count", "batch_rows_count")
    labels = [{"model": "tiny", **({"version": "1"} if "padded" in name else {})} for name in names]
    before = [value(name, **own) for name, own in zip(names, labels, strict=True)]
    await client.post("/embed", json={"inputs": ["rice", "rice and vegetables"]})
    grown = [value(name, **own) - was for name, own, was in zip(names, labels, before, strict=True)]
    assert grown[0] == grown[1] > 0
    assert grown[2] == grown[3] > 0


async def test_what_is_loaded_is_told(client: httpx.AsyncClient) -> None:
    [sample] = [
        sample
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == "jubako_model_info" and sample.labels["model"] == "tiny"
    ]
    assert sample.labels["graph"] == "graphs/encoder.fp32.onnx"
    assert (sample.labels["version"], sample.labels["family"], sample.value) == ("1", "text", 1)
    assert sample.labels["device"].startswith("CPU")
    assert value("model_load_seconds", model="tiny", version="1") > 0
    assert value("queue_max_tokens", model="tiny") == 65_536
