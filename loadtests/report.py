"""The benchmark's report: Markdown for people, JSON and CSV for machines, a PNG for both."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from loadtests.bound import describe
from loadtests.results import BoundKind, Results, Row, spread
from loadtests.scenarios import Scenario
from loadtests.summary import SLO_MS, Spread, round_ratios
from loadtests.targets import Verdict, judge

QUIET_CORES = 0.25
"""Cores that other processes may take during a measurement before its figures are called into question."""

COLUMNS = (
    "arm",
    "texts/s",
    "share of bound",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "padding ratio",
    "mean batch",
    "server cores",
    "client cores",
    "other cores",
    "failed",
)


def write_report(runs: Sequence[Results], folder: Path, name: str) -> list[Path]:
    """Write `name`.md, .json and .csv into `folder`, a .png where a text encoder was measured; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{ending}" for ending in ("md", "json", "csv", "png")]
    drawn = [results for results in runs if results.noun == "text"]
    paths[0].write_text(markdown(runs, paths[3].name if drawn else None))
    paths[1].write_text(json.dumps({"runs": [_plain(results) for results in runs]}, indent=1) + "\n")
    with paths[2].open("w", newline="") as file:
        csv.writer(file).writerows(csv_rows(runs))
    if not drawn:
        return paths[:3]
    from loadtests.plot import draw  # matplotlib takes a second to import

    draw(drawn[0], paths[3])
    return paths


def markdown(runs: Sequence[Results], picture: str | None) -> str:
    """Return the whole report: what all runs share, then a section for each."""
    lines = ["# Benchmark", "", *_pairs(runs[0].machine), *_pairs(runs[0].versions), ""]
    for results in runs:
        lines += [f"# {results.bundle}", "", *_pairs(results.protocol), "", *summary_lines(results)]
        if picture and results.noun == "text":
            lines += [f"![throughput and latency]({picture})", ""]
        lines += [f"## Lengths of the {results.noun}s", "", *table(("words", f"{results.noun}s"), results.histogram)]
        lines += ["", "## Settings that were tried", "", *_tuning(results), ""]
    return "\n".join(lines)


def summary_lines(results: Results) -> list[str]:
    """Return the tables and the verdicts: what is worth reading on a terminal."""
    lines: list[str] = []
    columns = [column.replace("texts", f"{results.noun}s") for column in COLUMNS]
    for scenario in results.scenarios:
        rows = [_arm_cells(results, arm, scenario) for arm in results.arms()]
        lines += [f"## {scenario.title}", "", *table(columns, [*_bound_cells(results, scenario), *rows])]
        lines += [*_notes(results, scenario), ""]
    if results.large:
        lines += [*_large(results), ""]
    lines += ["## Targets", "", *table(("target", "found", "limit", ""), map(_verdict_cells, judge(results)))]
    return [*lines, "", *_disturbance(results)]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table with aligned columns."""
    cells = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def csv_rows(runs: Sequence[Results]) -> list[list[object]]:
    """Return one row for each measurement, with its head."""
    window = ("requests", "failures", "texts_per_s", "tokens_per_s", "p50_ms", "p95_ms", "p99_ms", "lag_p99_ms")
    around = ("mean_batch", "padding_ratio", "server_cores", "other_cores", "rss_mib")
    head = ["arm", "scenario", "round", "rate_per_s", "graph_p50_ms", *window, "share_in_slo", "client_cores", *around]
    return [
        ["bundle", *head],
        *(
            [
                results.bundle,
                *(getattr(row, key) for key in head[:5]),
                *(getattr(row.measurement.window, key) for key in (*window, "share_in_slo", "client_cores")),
                *(getattr(row.measurement, key) for key in around),
            ]
            for results in runs
            for row in results.rows
        ),
    ]


def _arm_cells(results: Results, arm: str, scenario: Scenario) -> list[str]:
    rows = results.side_by_side(arm, scenario.name)
    share = results.share_of_bound(arm, scenario)
    windows = [row.measurement.window for row in rows]
    return [
        results.titles[arm],
        spread(window.texts_per_s for window in windows).show(0),
        share.show() if share else "",
        *(spread(getattr(window, key) for window in windows).show(1) for key in ("p50_ms", "p95_ms", "p99_ms")),
        spread(row.measurement.padding_ratio for row in rows).show(),
        spread(row.measurement.mean_batch for row in rows).show(1),
        spread(row.measurement.server_cores for row in rows).show(),
        spread(window.client_cores for window in windows).show(),
        spread(row.measurement.other_cores for row in rows).show(),
        str(sum(window.failures for window in windows)),
    ]


def _bound_cells(results: Results, scenario: Scenario) -> list[list[str]]:
    kinds: tuple[BoundKind, ...] = ("engine-only", "with reading")
    return [_bound_row(results, scenario, kind) for kind in kinds if results.bounds_of(scenario.name, kind)]


def _bound_row(results: Results, scenario: Scenario, kind: BoundKind) -> list[str]:
    rows, engine = results.bounds_of(scenario.name, kind), results.bounds_of(scenario.name)
    per_s = spread(row.found.texts_per_s for row in rows).show(0)
    share = round_ratios([row.found.tokens_per_s for row in rows], [row.found.tokens_per_s for row in engine]).show()
    shape = [f"{rows[0].found.padding_ratio:.2f}", f"{rows[0].found.mean_batch:.1f}"]
    others = spread(row.other_cores for row in rows).show()
    title = "engine-only bound" if kind == "engine-only" else "bound with reading"
    return [title, per_s, share, "", "", "", *shape, "", "", others, ""]


def _large(results: Results) -> list[str]:
    """Tell how very large requests went."""
    seconds, inputs = spread(call.seconds for call in results.large), results.large[0].inputs
    answered = min(call.answered for call in results.large)
    return [f"{inputs} {results.noun}s in one call: {seconds.show()} s, {answered} answered without an error."]


def _notes(results: Results, scenario: Scenario) -> list[str]:
    notes = [note for arm in results.arms() for note in _arm_notes(results, arm, results.of(arm, scenario.name))]
    notes += [
        f"{results.titles[arm]}: {share.show()} of the bound with reading"
        for arm in results.arms()
        if (share := results.share_of_bound(arm, scenario, "with reading")) is not None
    ]
    return ["", *(f"- {note}" for note in notes)] if notes else []


def _disturbance(results: Results) -> list[str]:
    """Say how much the machine did besides, and warn where it was too much to trust the figures."""
    other = spread(
        [*(row.measurement.other_cores for row in results.rows), *(row.other_cores for row in results.bound)]
    )
    warning = " **The machine was not quiet: do not trust these figures.**" if other.high > QUIET_CORES else ""
    return [f"Other processes took {other.show()} cores during the measurements.{warning}", ""]


def _arm_notes(results: Results, arm: str, rows: Sequence[Row]) -> list[str]:
    title = results.titles[arm]
    graph = [row.graph_p50_ms for row in rows if row.graph_p50_ms is not None]
    rates = [row.rate_per_s for row in rows if row.rate_per_s is not None]
    notes: list[str] = []
    if graph:
        notes.append(f"{title}: the graph's own p50 for the same {results.noun}s is {Spread.of(graph).show()} ms")
    if rates:
        in_slo = spread(100 * row.measurement.window.share_in_slo for row in rows)
        lag = spread(row.measurement.window.lag_p99_ms for row in rows)
        notes.append(
            f"{title}: {Spread.of(rates).show(0)} requests/s arrive, {in_slo.show(1)} % are answered within "
            f"{SLO_MS:.0f} ms; the load process was late by at most {lag.show(1)} ms for 99 %"
        )
    return notes


def _verdict_cells(verdict: Verdict) -> list[str]:
    sign = ">=" if verdict.at_least else "<="
    return [verdict.target, verdict.found.show(), f"{sign} {verdict.limit:g}", "pass" if verdict.passed else "MISS"]


def _tuning(results: Results) -> list[str]:
    bound = [
        (describe(setting), f"{found.texts_per_s:.0f}", f"{found.padding_ratio:.2f}", f"{found.mean_batch:.1f}")
        for setting, found in results.bound_tuning
    ]
    lines = table(("engine-only bound", f"{results.noun}s/s", "padding ratio", "mean batch"), bound)
    if results.reading_tuning:
        reading = [
            (f"{setting.lanes} threads, {setting.records} records a batch", f"{found.texts_per_s:.0f}")
            for setting, found in results.reading_tuning
        ]
        lines += ["", *table(("bound with reading", "records/s"), reading)]
    lines += ["", f"The graph's own latency is measured with {describe(results.latency_setting)}."]
    for arm, tried in results.arm_tuning.items():
        rows = [(title, f"{texts_per_s:.0f}") for title, texts_per_s in tried]
        lines += ["", *table((results.titles[arm], "texts/s at 64 connections"), rows)]
    return lines


def _pairs(values: dict[str, str]) -> list[str]:
    return [f"- {key}: {value}" for key, value in values.items()]


def _plain(results: Results) -> object:
    """Return the results as JSON values: numbers that are not finite become null."""
    verdicts = [{**asdict(verdict), "passed": verdict.passed} for verdict in judge(results)]
    return _finite({**asdict(results), "targets": verdicts})


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
