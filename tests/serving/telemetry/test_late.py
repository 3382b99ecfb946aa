"""What is told late is what would have been told at once."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.telemetry.late import LateCounter, LateGauge, LateHistogram, tell_all

BOUNDS = (0.1, 0.5, 1.0)
VALUES = st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.1000001, 0.5, 0.9, 1.0, 7.0]) | st.floats(0, 3), max_size=30)


def histogram(registry: CollectorRegistry) -> Histogram:
    return Histogram("h", "h", buckets=BOUNDS, registry=registry)


@given(VALUES, VALUES)
def test_a_histogram_is_that_of_the_client_s_own_observe(first: list[float], second: list[float]) -> None:
    async def observe(late: LateHistogram) -> None:
        for values in (first, second):
            for value in values:
                late.observe(value)
            tell_all()

    at_once, later = CollectorRegistry(), CollectorRegistry()
    direct = histogram(at_once)
    for value in [*first, *second]:
        direct.observe(value)
    asyncio.run(observe(LateHistogram(histogram(later))))
    for bound in ("0.1", "0.5", "1.0", "+Inf"):
        labels = {"le": bound}
        assert later.get_sample_value("h_bucket", labels) == at_once.get_sample_value("h_bucket", labels)
    assert later.get_sample_value("h_sum") == pytest.approx(at_once.get_sample_value("h_sum"))


async def test_everything_is_told_within_the_time_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.telemetry.late.TELL_S", 0.01)
    registry = CollectorRegistry()
    counter, gauge = LateCounter(Counter("c", "c", registry=registry)), LateGauge(Gauge("g", "g", registry=registry))
    for value in (3, 4):
        counter.inc(value)
        gauge.inc(value)
        assert registry.get_sample_value("c_total") == (0 if value == 3 else 3)
        await asyncio.sleep(0.05 if value == 3 else 0)
    await asyncio.sleep(0.05)
    assert (registry.get_sample_value("c_total"), registry.get_sample_value("g")) == (7, 7)


def test_where_nothing_runs_that_could_call_back_it_is_told_at_once() -> None:
    registry = CollectorRegistry()
    LateCounter(Counter("c", "c", registry=registry)).inc(5)
    LateHistogram(histogram(registry)).observe(0.2)
    assert (registry.get_sample_value("c_total"), registry.get_sample_value("h_sum")) == (5, 0.2)
