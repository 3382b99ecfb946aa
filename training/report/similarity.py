"""The report of an encoder's neighbours: report.md, training curves and evaluation.json in one folder."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.metrics.bootstrap import CONFIDENCE
from training.metrics.diagnostics import DEFINITIONS
from training.metrics.lists import NOTHING
from training.metrics.neighbours import agreement
from training.report.json_values import json_values
from training.report.markdown import inline, pairs, picture, section, show, table
from training.report.plots import draw_curves
from training.report.recommendation_sections import verdicts, wall_times
from training.report.sections import tables_of_rows
from training.report.similarity_evaluation import SimilarityEvaluation
from training.report.similarity_figures import NDCG, SimilarityFigures
from training.report.write import JSON_FILE, REPORT

CURVES = ("loss", "@", NDCG)
"""Kinds of training curve, by what the figures' names contain; one plot for each."""
SAMPLES, SHOWN = 8, 5
"""Works whose neighbours are shown, and how many of each."""
SAMPLES_TOLD = "Drawn at random. In brackets: what a neighbour shares with the work."


def write_similarity(folder: Path, evaluation: SimilarityEvaluation) -> SimilarityFigures:
    """Write the report into `folder`, which is made, and return the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = SimilarityFigures.of(evaluation)
    curves = _draw_training(folder, evaluation)
    (folder / REPORT).write_text(markdown(evaluation, figures, curves))
    (folder / JSON_FILE).write_text(json.dumps(as_json(evaluation, figures), indent=1, allow_nan=False) + "\n")
    return figures


def markdown(evaluation: SimilarityEvaluation, figures: SimilarityFigures, curves: Sequence[str] = ()) -> str:
    """Return the whole report; `curves` are the files of the training curves."""
    about = {
        "protocol": evaluation.protocol,
        "works": f"{len(evaluation.ids):,}, of which {len(evaluation.queries):,} are queries",
        **evaluation.about,
    }
    lines = [
        *[f"# {evaluation.title}", "", *pairs(about), ""],
        *main_tables(evaluation, figures),
        *_spread(figures),
        *section("Samples", [SAMPLES_TOLD], samples(evaluation)),
        *section("Training", *(picture("training curve", file) for file in curves)),
        *tables_of_rows("Latency of the exported graph", [dict(row) for row in evaluation.latency]),
        *wall_times({f"{one.title}, {one.reads}": one.wall_s for one in figures.candidates.values()}),
    ]
    return "\n".join(lines)


def main_tables(evaluation: SimilarityEvaluation, figures: SimilarityFigures) -> list[str]:
    """Return all candidates by what they read, with intervals, differences, chance and targets."""
    names, found = list(figures.rows), list(figures.candidates.values())
    values = [
        [one.title, one.reads, *(show(one.intervals[name]) if name in one.intervals else None for name in names)]
        for one in found
    ]
    chance = ["chance, exactly", "nothing", *(figures.chance.get(name) for name in names)]
    rows = ["queries, lists", "", *figures.rows.values()]
    gaps = [
        [
            f"model - {one.title}",
            one.reads,
            *(show(one.difference[name], signed=True) if name in one.difference else None for name in names),
        ]
        for one in found
        if one.difference
    ]
    told = (
        "name@n: share of the n nearest that has a value of the query, over queries that have one; ndcg: of lists of "
        f"candidates, linear gains. 95% intervals: {evaluation.samples} bootstrap resamples; differences are paired."
    )
    own = figures.candidates[evaluation.model.name].figures
    return section(
        "Neighbours",
        table(("", "reads", *names), [*values, chance, rows]),
        table(("difference", "reads", *names), gaps) if gaps else [],
        [told],
        verdicts(evaluation.targets, own, figures.misses),
        [f"- {one.title}, {one.reads}: {note}" for one in found for note in one.notes],
    )


def samples(evaluation: SimilarityEvaluation) -> list[str]:
    """Return lines on a few queries and the model's neighbours of them."""
    drawn = np.random.default_rng(evaluation.seed).permutation(len(evaluation.queries))[:SAMPLES]
    return [line for row in np.sort(drawn).tolist() for line in _sample(evaluation, row)]


def as_json(evaluation: SimilarityEvaluation, figures: SimilarityFigures) -> dict[str, Any]:
    """Return everything as JSON values."""
    plain = json_values(
        {
            "title": evaluation.title,
            "protocol": evaluation.protocol,
            "about": evaluation.about,
            "works": len(evaluation.ids),
            "bootstrap": {"samples": evaluation.samples, "seed": evaluation.seed, "confidence": CONFIDENCE},
            "targets": evaluation.targets,
            "model": evaluation.model.name,
            **vars(figures),
            "training": evaluation.training,
            "latency": evaluation.latency,
        }
    )
    assert isinstance(plain, dict)
    return plain


def _sample(evaluation: SimilarityEvaluation, row: int) -> Iterator[str]:
    query = int(evaluation.queries[row])
    yield f"- {_title(evaluation, query)}"
    for item in evaluation.model.top[row, :SHOWN].tolist():
        if item == NOTHING:
            continue
        place = np.array([[item]], dtype=np.int32)
        shared = [name for name, held in evaluation.sets.items() if agreement(place, held[[query]], held)[0]]
        yield f"  - {_title(evaluation, item)} ({', '.join(shared) or 'nothing'})"


def _title(evaluation: SimilarityEvaluation, work: int) -> str:
    return inline(evaluation.titles[work] or evaluation.ids[work], 80)


def _spread(figures: SimilarityFigures) -> list[str]:
    if figures.spread is None:
        return []
    rows = [[name, value, DEFINITIONS[name]] for name, value in vars(figures.spread).items()]
    return section("Vectors", table(("figure", "value", "what it is"), rows))


def _draw_training(folder: Path, evaluation: SimilarityEvaluation) -> list[str]:
    keys = list(dict.fromkeys(key for entry in evaluation.training for key in entry))
    files = []
    for kind in CURVES:
        if names := [key for key in keys if kind in key]:
            files.append(f"training_{'neighbours' if kind == '@' else kind}.png")
            draw_curves(folder / files[-1], evaluation.training, kind, names)
    return files
