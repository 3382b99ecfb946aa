"""The benchmark and the floor, end to end on a tiny graph: real servers, real load, short windows."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.bundle import Bundle
from loadtests import floor
from loadtests.options import Options
from loadtests.report import summary_lines, write_report
from loadtests.runner import Bench
from loadtests.scenarios import BATCHES, CAPACITY, CLASSIFY_SCENARIOS, SCENARIOS

pytestmark = pytest.mark.e2e

SHORT = Options(
    rounds=1,
    texts=64,
    window_s=0.6,
    warmup_s=0.3,
    settle_s=0.0,
    tune_bound_s=0.3,
    idle_s=0.3,
    all_arms=False,
)


def test_bench_measures_every_arm_in_every_scenario(stored_tiny: Bundle, tmp_path: Path) -> None:
    results = Bench(stored_tiny, SHORT, tmp_path).run()
    measured = {(row.arm, row.scenario) for row in results.rows}
    assert measured == {(arm, scenario.name) for arm in ("jubako", "batched") for scenario in SCENARIOS}
    assert {row.scenario for row in results.bound} == {CAPACITY.name, BATCHES.name}
    for row in results.rows:
        assert row.measurement.window.failures == 0
        assert row.measurement.window.texts_per_s > 0
        assert row.measurement.server_cores > 0
        assert row.measurement.padding_ratio >= 1.0  # both arms tell what they computed
        assert row.measurement.mean_batch >= 1.0
    sixteen = results.of("jubako", BATCHES.name)[0].measurement.window
    assert sum(sixteen.statuses.values()) == sixteen.requests
    assert not math.isnan(results.idle_percent)
    assert "| Jubako" in "\n".join(summary_lines(results))
    assert all(path.is_file() for path in write_report([results], tmp_path / "out", "bench"))


def test_bench_holds_a_classifier_against_its_bounds(stored_tales: Bundle, tmp_path: Path) -> None:
    results = Bench(stored_tales, replace(SHORT, texts=4, pairs=1), tmp_path).run()
    assert {(row.arm, row.scenario) for row in results.rows} == {("jubako", one.name) for one in CLASSIFY_SCENARIOS}
    assert all(row.measurement.window.failures == 0 for row in results.rows)
    assert {(row.scenario, row.kind) for row in results.bound} == {
        (scenario.name, kind) for scenario in (CAPACITY, BATCHES) for kind in ("engine-only", "with reading")
    }
    assert [(call.inputs, call.answered) for call in results.large] == [(1000, 1000)]
    text = "\n".join(summary_lines(results))
    assert "1 record, 64 connections" in text
    assert "of the bound with reading" in text
    endings = {path.suffix for path in write_report([results], tmp_path / "out", "classify")}
    assert endings == {".md", ".json", ".csv"}


def test_floor_tells_what_a_layer_costs(stored_tiny: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "ROUNDS", 1)
    monkeypatch.setattr(floor, "WINDOW_S", 0.5)
    monkeypatch.setattr(floor, "WARMUP_S", 0.2)
    layers = [layer for layer in floor.LAYERS if layer.app in ("plain", "FrontOnly", "Engineless")]
    found = {one.title: one for one in floor.run(layers, "tiny", lock=None)}
    assert found.keys() == {layer.title for layer in layers}
    assert found["plain uvicorn"].cost_us < found["Jubako without a graph"].cost_us
    assert all(one.per_s.median > 0 for one in found.values())
    assert len(floor.markdown(list(found.values()))) > len(layers)
