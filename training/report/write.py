"""report.md, its plots and evaluation.json in one folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.metrics.bootstrap import CONFIDENCE
from training.metrics.classification import DEFINITIONS
from training.report import sections
from training.report.evaluation import Evaluation
from training.report.figures import Figures
from training.report.json_values import json_values
from training.report.markdown import picture, section
from training.report.plots import draw_bars, draw_curves, draw_reliability

REPORT, JSON_FILE = "report.md", "evaluation.json"
RELIABILITY, LABELS = "reliability.png", "labels.png"
CURVES = ("loss", "f1")
"""Kinds of training curve, by what the figures' names contain; one plot for each."""


def write_report(folder: Path, evaluation: Evaluation) -> Figures:
    """Write the report into `folder`, which is made, and return the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = Figures.of(evaluation)
    draw_reliability(folder / RELIABILITY, figures.reliability)
    _draw_labels(folder / LABELS, evaluation, figures)
    curves = _draw_history(folder, evaluation.history)
    (folder / REPORT).write_text(markdown(evaluation, figures, curves))
    (folder / JSON_FILE).write_text(json.dumps(as_json(evaluation, figures), indent=1, allow_nan=False) + "\n")
    return figures


def markdown(evaluation: Evaluation, figures: Figures, curves: Sequence[str] = ()) -> str:
    """Return the whole report; `curves` are the files of the training curves."""
    lines = [
        *sections.header(evaluation),
        *sections.main_table(evaluation, figures),
        *sections.all_figures(figures),
        *section("Labels", picture("F1 by label", LABELS), sections.labels(evaluation, figures)),
        *section("Calibration", picture("reliability", RELIABILITY), sections.calibration(evaluation, figures)),
        *sections.confused(evaluation, figures),
        *sections.examples(evaluation),
        *section("Training", *(picture("training curve", file) for file in curves)),
        *sections.tables_of_rows("Latency of the exported graph", [dict(row) for row in evaluation.latency]),
        *sections.wall_times(figures),
    ]
    return "\n".join(lines)


def as_json(evaluation: Evaluation, figures: Figures) -> dict[str, Any]:
    """Return everything as JSON values, with the protocol and what each figure is."""
    model = evaluation.model.label_set
    keys = [label.label for label in model.labels]
    confusions = [{**asdict(one), "missed": keys[one.missed], "given": keys[one.given]} for one in figures.confusions]
    plain = json_values(
        {
            "title": evaluation.title,
            "protocol": evaluation.protocol,
            "about": evaluation.about,
            "rows": len(evaluation.truth),
            "definitions": DEFINITIONS,
            "bootstrap": {"samples": evaluation.samples, "seed": evaluation.seed, "confidence": CONFIDENCE},
            "targets": evaluation.targets,
            "misses": figures.misses,
            "model": evaluation.model.name,
            "candidates": figures.candidates,
            "reliability": figures.reliability,
            "confusions": confusions,
            "latency": evaluation.latency,
        }
    )
    assert isinstance(plain, dict)
    return plain


def _draw_labels(path: Path, evaluation: Evaluation, figures: Figures) -> None:
    shown = list(figures.candidates.values())[:2]
    order = sorted(range(len(evaluation.names)), key=lambda at: -shown[0].labels[at].support)
    series = {one.title: [one.labels[at].f1 for at in order] for one in shown}
    draw_bars(path, [evaluation.names[at] for at in order], series, "F1 by label, the most frequent first")


def _draw_history(folder: Path, history: Sequence[Mapping[str, float]]) -> list[str]:
    keys = list(dict.fromkeys(key for entry in history for key in entry))
    files = []
    for kind in CURVES:
        if names := [key for key in keys if kind in key]:
            files.append(f"training_{kind}.png")
            draw_curves(folder / files[-1], history, kind, names)
    return files
