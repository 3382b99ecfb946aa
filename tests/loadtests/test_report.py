import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.bound import Pass, Setting
from loadtests.measure import Measurement
from loadtests.report import markdown, table, write_report
from loadtests.results import BoundRow, LargeCall, Results, Row
from loadtests.scenarios import ALONE, BATCHES, CAPACITY, CLASSIFY_SCENARIOS, SCENARIOS, make_requests
from loadtests.summary import Window
from loadtests.targets import judge

WINDOW = Window(
    requests=100,
    statuses={200: 100},
    texts_per_s=100.0,
    tokens_per_s=6000.0,
    p50_ms=7.0,
    p95_ms=20.0,
    p99_ms=30.0,
    lag_p99_ms=0.1,
    share_in_slo=1.0,
    client_cores=0.02,
    quantiles_ms=[float(at) for at in range(101)],
)
ROUNDS = 3


def row(arm: str, scenario: str, number: int, tokens_per_s: float, padding: float = 1.1) -> Row:
    measurement = Measurement(
        window=replace(WINDOW, tokens_per_s=tokens_per_s),
        mean_batch=4.0,
        padding_ratio=padding,
        server_cores=1.9,
        other_cores=0.0,
        rss_mib=300.0,
    )
    rate = 70.0 if scenario == SCENARIOS[-1].name else None
    return Row(arm, scenario, number, rate, 5.0 if scenario == ALONE.name else None, measurement)


def results(share: float = 0.85, padding: float = 1.1, idle_percent: float = 0.5) -> Results:
    """A run whose machine halves its speed from round to round."""
    speeds = [10_000.0 / 2**number for number in range(ROUNDS)]
    setting = Setting(2, 1, False, 256)
    found = Results(
        machine={"cpu": "a machine"},
        versions={"python": "3.11"},
        protocol={"rounds": "3"},
        histogram=[("6-9", 4), ("10-19", 6)],
        bound_tuning=[(setting, Pass(200.0, 10_000.0, 1.01, 4.0))],
        latency_setting=Setting(1, 2, True),
        titles={"jubako": "Jubako", "batched": "BentoML"},
        idle_percent=idle_percent,
    )
    for number, speed in enumerate(speeds):
        for scenario in SCENARIOS:
            found.rows.append(row("jubako", scenario.name, number, share * speed, padding))
            found.rows.append(row("batched", scenario.name, number, 0.2 * speed, 2.0))
        for scenario in (CAPACITY, BATCHES):
            found.bound.append(BoundRow(scenario.name, number, Pass(200.0, speed, 1.01, 4.0), 0.0))
    return found


def test_arms_stand_side_by_side_only_where_both_were_measured() -> None:
    found = results()
    found.rows.append(row("jubako", CAPACITY.name, ROUNDS, 1.0, 1.1))
    assert len(found.of("jubako", CAPACITY.name)) == ROUNDS + 1
    assert [one.round for one in found.side_by_side("jubako", CAPACITY.name)] == list(range(ROUNDS))
    assert [one.round for one in found.side_by_side("batched", CAPACITY.name)] == list(range(ROUNDS))


def test_shares_compare_within_rounds() -> None:
    share = results(share=0.85).share_of_bound("jubako", CAPACITY)
    assert share is not None
    assert share.low == pytest.approx(0.85)
    assert share.high == pytest.approx(0.85)


def test_share_is_unknown_where_the_bound_was_not_measured() -> None:
    assert results().share_of_bound("jubako", ALONE) is None


@pytest.mark.parametrize(
    ("share", "padding", "idle_percent", "missed"),
    [
        (0.95, 1.1, 0.5, set()),
        (0.85, 1.1, 0.5, {"16 texts, 8 connections: share of the engine-only bound"}),
        (0.95, 1.2, 0.5, {"padding ratio, worst scenario"}),
        (0.95, float("nan"), 0.5, {"padding ratio, worst scenario"}),
        (0.95, 1.1, 2.5, {"idle CPU, % of one core"}),
        (0.95, 1.1, float("nan"), {"idle CPU, % of one core"}),
    ],
)
def test_targets_are_missed_one_by_one(share: float, padding: float, idle_percent: float, missed: set[str]) -> None:
    verdicts = judge(results(share, padding, idle_percent))
    assert {verdict.target for verdict in verdicts if not verdict.passed} == missed
    assert len(verdicts) == 6


def test_times_bentoml_needs_three() -> None:
    verdicts = {verdict.target: verdict for verdict in judge(results(share=0.59))}
    assert not verdicts["1 text, 64 connections: times BentoML's batching"].passed


def test_overhead_is_the_difference_of_medians() -> None:
    verdict = next(one for one in judge(results()) if one.target.startswith("1 connection"))
    assert verdict.found.median == pytest.approx(2.0)
    assert verdict.passed


def test_targets_of_arms_that_were_not_measured_are_left_out() -> None:
    found = results()
    found.rows = [one for one in found.rows if one.arm == "jubako"]
    assert not any("BentoML" in verdict.target for verdict in judge(found))


def classified(answered: int = 1000) -> Results:
    """A run of a classifier that does 0.7 of the engine and 0.9 of the bound with reading."""
    found = results(share=0.7)
    found.noun, found.bundle, found.scenarios = "record", "papers:1", CLASSIFY_SCENARIOS
    names = {scenario.name for scenario in CLASSIFY_SCENARIOS}
    found.rows = [one for one in found.rows if one.arm == "jubako" and one.scenario in names]
    found.bound += [
        replace(one, kind="with reading", found=replace(one.found, tokens_per_s=one.found.tokens_per_s * 0.7 / 0.9))
        for one in found.bound
    ]
    found.large = [LargeCall(1000, answered, 0.5)]
    return found


def test_a_classifier_is_held_against_both_bounds_and_a_miss_is_told() -> None:
    verdicts = {verdict.target: verdict for verdict in judge(classified())}
    engine = verdicts["1 record, 64 connections: share of the engine-only bound"]
    reading = verdicts["1 record, 64 connections: share of the bound with reading"]
    assert engine.found.median == pytest.approx(0.7)
    assert not engine.passed
    assert reading.found.median == pytest.approx(0.9)
    assert reading.passed
    assert not any("BentoML" in target for target in verdicts)


def test_a_large_call_that_loses_a_record_is_a_miss() -> None:
    missed = {verdict.target for verdict in judge(classified(answered=999)) if not verdict.passed}
    assert "a thousand records in one call: share answered" in missed
    assert "999 answered" in markdown([classified(answered=999)], None)


def test_text_and_classifiers_stand_in_one_report(tmp_path: Path) -> None:
    paths = write_report([results(), classified()], tmp_path, "bench")
    text = paths[0].read_text()
    assert text.count("## Targets") == 2
    assert "| bound with reading" in text
    assert len(json.loads(paths[1].read_text())["runs"]) == 2


def test_table_aligns_its_columns() -> None:
    lines = table(("a", "long head"), [("wide cell", 1), ("b", 22)])
    assert lines[0] == "| a         | long head |"
    assert {len(line) for line in lines} == {len(lines[0])}


def test_report_warns_of_a_machine_that_was_not_quiet() -> None:
    found = results()
    assert "not quiet" not in markdown([found], "p.png")
    found.bound[0] = replace(found.bound[0], other_cores=0.9)
    assert "not quiet" in markdown([found], "p.png")


def test_rows_tell_which_measurement_was_disturbed() -> None:
    found = results()
    disturbed = found.rows[1]
    found.rows[1] = replace(disturbed, measurement=replace(disturbed.measurement, other_cores=0.73))
    lines = [line for line in markdown([found], "p.png").splitlines() if "0.73" in line and line.startswith("|")]
    assert len(lines) == 1
    assert found.titles[disturbed.arm] in lines[0]


def test_report_is_written_in_four_forms(tmp_path: Path) -> None:
    paths = write_report([results(padding=float("nan"))], tmp_path / "new", "bench")
    by_ending = {path.suffix: path for path in paths}
    text = by_ending[".md"].read_text()
    assert "| Jubako" in text
    assert "MISS" in text
    assert "bench.png" in text
    assert json.loads(by_ending[".json"].read_text())["runs"][0]["rows"][0]["measurement"]["padding_ratio"] is None
    with by_ending[".csv"].open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == ROUNDS * 2 * len(SCENARIOS)
    assert float(rows[0]["tokens_per_s"]) == pytest.approx(8500.0)
    assert by_ending[".png"].read_bytes().startswith(b"\x89PNG")


def test_requests_hold_whole_groups_in_order() -> None:
    requests = make_requests(["a", "b", "c", "d", "e"], [1, 2, 3, 4, 5], per_request=2)
    assert [json.loads(request.body)["inputs"] for request in requests] == [["a", "b"], ["c", "d"]]
    assert [(request.texts, request.tokens) for request in requests] == [(2, 3), (2, 7)]
