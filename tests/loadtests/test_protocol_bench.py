"""The benchmark of protocols, end to end on a tiny graph: a real server, real load, short windows."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.bundle import Bundle
from loadtests import protocol_bench
from loadtests.measure import Measurement
from loadtests.protocol_arms import ARMS
from loadtests.protocol_bench import main
from loadtests.protocol_figures import BOUND, LISTS, QUICK, STREAM, Bulk, Results, Single
from loadtests.summary import Window

SHORT = replace(
    QUICK, window_s=0.5, warmup_s=0.3, texts=64, callers=8, bulk_texts=200, bulk_size=20, list_callers=2, tune_s=0.3
)


@pytest.mark.e2e
def test_it_measures_and_writes_every_protocol(
    stored_tiny: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol_bench, "QUICK", SHORT)
    assert main(["tiny", "--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "protocols-quick.json").read_text())
    assert [single["arm"] for single in found["singles"]] == [*ARMS, "grpc", "http"]
    for single in found["singles"]:
        window = single["measurement"]["window"]
        assert list(window["statuses"]) == ["200"]
        assert window["texts_per_s"] > 0
        assert single["measurement"]["padding_ratio"] >= 1
        assert single["beside_us"] > 0
    assert sorted(bulk["arm"] for bulk in found["bulks"]) == sorted([BOUND, STREAM, LISTS])
    assert all(bulk["failures"] == 0 and bulk["texts_per_s"] > 0 for bulk in found["bulks"])
    assert len(found["targets"]) == 3
    report = (tmp_path / "protocols-quick.md").read_text()
    assert all(f"| {arm.title} " in report for arm in ARMS.values())
    assert "EmbedStream, 200 texts: share of the engine-only bound" in report


def test_ratios_are_taken_within_rounds_and_judged_by_their_median() -> None:
    results = Results({}, SHORT)
    speeds = {
        ("http", 0): 100, ("grpc", 0): 90, ("oip-grpc", 1): 30, ("grpc", 1): 60, ("http", 1): 50, ("http", 2): 70,
        ("grpc", 2): 70, ("http-client", 0): 20, ("grpc-client", 0): 30,
    }  # fmt: skip
    results.singles = [Single(arm, number, at(speed), 0.0) for (arm, number), speed in speeds.items()]
    results.bulks = [bulk(BOUND, 0, 100), bulk(STREAM, 0, 92), bulk(STREAM, 1, 45), bulk(BOUND, 1, 50)]
    ratio = results.over_http("grpc")
    assert (ratio.median, ratio.low, ratio.high) == (1.0, 0.9, 1.2)
    assert results.over_http("oip-grpc").median == pytest.approx(0.6)
    assert results.over_http("grpc-client").median == pytest.approx(1.5)  # held against HTTP through the same client
    assert results.share_of_bound(STREAM).median == pytest.approx(0.91)
    assert [verdict.passed for verdict in results.judge()] == [True, True, False]


def test_costs_of_a_request_are_microseconds() -> None:
    single = Single("grpc", 0, at(500), 0.0)
    assert single.server_us == pytest.approx(3000)
    assert single.client_us == pytest.approx(200)


def at(per_s: float) -> Measurement:
    window = Window(10, {200: 10}, per_s, per_s, 1, 2, 3, 0, 1, client_cores=0.1, quantiles_ms=[])
    return Measurement(window, math.nan, math.nan, server_cores=1.5, other_cores=0, rss_mib=1)


def bulk(arm: str, number: int, per_s: float) -> Bulk:
    return Bulk(arm, number, per_s)
