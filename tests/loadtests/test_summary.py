from typing import Any

import numpy as np
import pytest

from loadtests.plan import Plan, Record, Request
from loadtests.summary import Spread, edges_ns, percentiles, round_ratios, summarise

MS = 1_000_000
PLAN = Plan(80, [Request("{}", texts=1, tokens=10), Request("{}", texts=4, tokens=50)], 1, 1.0)


def record(rows: list[tuple[int, int, int, int]], window_s: float = 1.0, cpu_s: float = 0.25) -> Record:
    """Make a record of (due ms, done ms, status, request)."""
    due, done, status, request = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return Record(due * MS, due * MS, done * MS, status, request, window_s, cpu_s)


def test_percentiles_are_measured_values() -> None:
    values = np.array([4.0, 1.0, 3.0, 2.0])
    assert percentiles(values, [0, 25, 50, 75, 99, 100]) == [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]


def test_percentiles_of_nothing_are_nan() -> None:
    assert np.isnan(percentiles(np.array([]), [50, 99])).all()


def test_latencies_count_from_when_a_request_was_due() -> None:
    found = record([(0, 10, 200, 0), (100, 400, 200, 0), (200, 220, 200, 0)])
    window = summarise(PLAN, found)
    assert (window.p50_ms, window.p99_ms) == (20.0, 300.0)


def test_latencies_leave_the_warm_up_out_and_take_late_answers_in() -> None:
    found = record([(-50, 500, 200, 0), (900, 5000, 200, 0)])
    assert summarise(PLAN, found).p99_ms == 4100.0
    assert summarise(PLAN, found).requests == 1


def test_failures_are_counted_and_have_no_latency() -> None:
    window = summarise(PLAN, record([(0, 10, 200, 0), (0, 900, 503, 0), (0, 950, 0, 0)]))
    assert window.statuses == {200: 1, 503: 1, 0: 1}
    assert window.failures == 2
    assert window.p99_ms == 10.0


def test_throughput_counts_texts_and_tokens() -> None:
    found = record([(-100, 0, 200, 0), (0, 500, 200, 1), (0, 1000, 200, 0)])
    window = summarise(PLAN, found)
    assert window.texts_per_s == pytest.approx(5.0)
    assert window.tokens_per_s == pytest.approx(60.0)


def test_throughput_counts_answers_to_requests_of_the_warm_up() -> None:
    """With 64 connections and slow answers, most of what a window answers was sent before it."""
    found = record([(-800, -100, 200, 0), (-800, 900, 200, 0)])
    assert summarise(PLAN, found).texts_per_s == pytest.approx(1.0)


@pytest.mark.parametrize("shift_ms", range(0, 700, 100))
def test_throughput_of_bursts_does_not_depend_on_where_the_window_falls(shift_ms: int) -> None:
    """Ten answers at once every 700 ms are 14.3 a second, wherever the window starts."""
    rows = [(at - 700, at - shift_ms, 200, 0) for at in range(-1400, 4200, 700) for _ in range(10)]
    assert summarise(PLAN, record(rows, window_s=2.0)).texts_per_s == pytest.approx(10 / 0.7)


def test_edges_fall_on_answers() -> None:
    assert edges_ns(record([(-9, -5, 200, 0), (0, 40, 200, 0), (0, 2000, 200, 0)])) == (-5 * MS, 40 * MS)


def test_share_in_slo_is_of_all_requests() -> None:
    window = summarise(PLAN, record([(0, 100, 200, 0), (0, 251, 200, 0), (0, 10, 429, 0), (0, 250, 200, 0)]))
    assert window.share_in_slo == 0.5


def test_client_cores_are_cpu_time_over_the_window() -> None:
    assert summarise(PLAN, record([(0, 1, 200, 0)], window_s=2.0, cpu_s=0.5)).client_cores == 0.25


def test_ratios_are_taken_within_rounds() -> None:
    """The machine halves its speed from round to round; the ratio does not care."""
    assert round_ratios([90.0, 45.0, 22.5], [100.0, 50.0, 25.0]) == Spread(0.9, 0.9, 0.9)
    assert round_ratios([8.0, 6.0, 9.0], [10.0, 10.0, 10.0]) == Spread(0.8, 0.6, 0.9)


def test_ratios_need_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="shorter"):
        round_ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("values", "digits", "shown"),
    [([1.0], 2, "1.00"), ([3.0, 1.0, 2.0], 1, "2.0 (1.0-3.0)"), ([5.0, 5.0], 0, "5"), ([float("nan")] * 2, 1, "")],
)
def test_spread_shows_median_and_range(values: list[float], digits: int, shown: Any) -> None:
    assert Spread.of(values).show(digits) == shown
