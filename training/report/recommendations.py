"""A recommender's report.md, its plots and evaluation.json in one folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.metrics.bootstrap import CONFIDENCE
from training.report import recommendation_sections as sections
from training.report.json_values import json_values
from training.report.markdown import picture, section
from training.report.recommendation_figures import DEFINITIONS, RecommendationFigures
from training.report.recommendation_plots import draw_all
from training.report.recommender_evaluation import RecommenderEvaluation
from training.report.sections import tables_of_rows
from training.report.write import JSON_FILE, REPORT


def write_recommendations(folder: Path, evaluation: RecommenderEvaluation) -> RecommendationFigures:
    """Write the report into `folder`, which is made, and return the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = RecommendationFigures.of(evaluation)
    plots = draw_all(folder, evaluation, figures)
    (folder / REPORT).write_text(markdown(evaluation, figures, plots))
    (folder / JSON_FILE).write_text(json.dumps(as_json(evaluation, figures), indent=1, allow_nan=False) + "\n")
    return figures


def markdown(
    evaluation: RecommenderEvaluation, figures: RecommendationFigures, plots: Sequence[tuple[str, str]] = ()
) -> str:
    """Return the whole report; `plots` are titles and files of what lies beside it."""
    found = figures.candidates.values()
    lines = [
        *sections.header(evaluation),
        *sections.main_table(evaluation, figures),
        *sections.over_seeds(figures),
        *sections.slices(evaluation, figures),
        *sections.beyond_accuracy(evaluation, figures),
        *sections.embedding(figures),
        *sections.sample_recommendations(evaluation),
        *section("Plots", *(picture(title, file) for title, file in plots)),
        *sections.all_figures(evaluation, figures),
        *tables_of_rows("Latency of the exported graphs", [dict(row) for row in evaluation.latency]),
        *sections.wall_times({one.title: one.wall_s for one in found}),
    ]
    return "\n".join(lines)


def as_json(evaluation: RecommenderEvaluation, figures: RecommendationFigures) -> dict[str, Any]:
    """Return everything as JSON values, with the protocol and what each figure is."""
    users, items = evaluation.history.shape
    plain = json_values(
        {
            "title": evaluation.title,
            "protocol": evaluation.protocol,
            "about": evaluation.about,
            "users": users,
            "items": items,
            "test_users": len(evaluation.users),
            "definitions": DEFINITIONS,
            "bootstrap": {"samples": evaluation.samples, "seed": evaluation.seed, "confidence": CONFIDENCE},
            "targets": evaluation.targets,
            "model": evaluation.model.name,
            **vars(figures),
            "seed_runs": evaluation.seed_runs,
            "training": evaluation.training,
            "latency": evaluation.latency,
        }
    )
    assert isinstance(plain, dict)
    return plain
