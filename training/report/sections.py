"""The sections of a classifier's report, each a list of Markdown lines; empty where there is nothing to tell."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from training.metrics.classification import DEFINITIONS
from training.report.evaluation import Evaluation
from training.report.examples import pick
from training.report.figures import Figures
from training.report.markdown import inline, pairs, section, show, table

MAIN = ("f1_micro", "f1_macro", "f1_samples", "lrap", "subset_accuracy")


def header(evaluation: Evaluation) -> list[str]:
    """Return title, protocol and what the figures depend on."""
    truth = evaluation.truth
    rows = f"{len(truth)}, {truth.shape[1]} labels ({int(truth.any(axis=0).sum())} occur), "
    about = {
        "protocol": evaluation.protocol,
        "test rows": f"{rows}{truth.sum() / max(len(truth), 1):.2f} labels a row",
        **evaluation.about,
    }
    return [f"# {evaluation.title}", "", *pairs(about), ""]


def main_table(evaluation: Evaluation, figures: Figures) -> list[str]:
    """Return the model against its baselines, with intervals, differences, targets and validation figures."""
    found = figures.candidates.values()
    values = table(("test rows", *MAIN), [[one.title, *(show(one.intervals[key]) for key in MAIN)] for one in found])
    gaps = [
        [f"model - {one.title}", *(show(one.difference[key], signed=True) for key in MAIN)]
        for one in found
        if one.difference
    ]
    own = figures.candidates[evaluation.model.name].figures
    verdicts = [
        [name, own[name], f">= {floor:g}", "MISS" if name in figures.misses else "pass"]
        for name, floor in evaluation.targets.items()
    ]
    told = f"95% intervals: {evaluation.samples} bootstrap resamples of the test rows; differences are paired."
    return section(
        "Model against baselines",
        values,
        table(("difference", *MAIN), gaps) if gaps else [],
        [told],
        table(("target", "found", "floor", ""), verdicts) if verdicts else [],
        _validation(figures),
        [f"- {one.title}: {note}" for one in found for note in one.notes],
    )


def all_figures(figures: Figures) -> list[str]:
    """Return every figure of every candidate, and what each is."""
    found = list(figures.candidates.values())
    rows = [[key, *(one.figures[key] for one in found), DEFINITIONS.get(key)] for key in found[0].figures]
    return section("All figures", table(("figure", *(one.title for one in found), "what it is"), rows))


def labels(evaluation: Evaluation, figures: Figures) -> list[str]:
    """Return the table of labels, the most frequent first, with the first baseline's F1."""
    own, *others = (one.labels for one in figures.candidates.values())
    order = sorted(range(len(own)), key=lambda at: -own[at].support)
    head = ["label", "name", "support", "given", "threshold", "precision", "recall", "F1", "AP", "AUC", "ECE"]
    rows = [
        [
            *(own[at].label, inline(evaluation.names[at]), own[at].support, own[at].assigned, own[at].threshold),
            *(own[at].precision, own[at].recall, own[at].f1),
            *(own[at].average_precision, own[at].auc, own[at].calibration_error),
            *(other[at].f1 for other in others[:1]),
        ]
        for at in order
    ]
    if others:
        head.append(f"F1 of {evaluation.baselines[0].title}")
    return table(head, rows)


def calibration(evaluation: Evaluation, figures: Figures) -> list[str]:
    """Return the calibration errors before and after, and what was fitted."""
    rows = [
        [one.title, one.ece_before, *(one.figures[key] for key in ("ece", "ece_mass", "ece_label"))]
        for one in figures.candidates.values()
    ]
    fitted = evaluation.model.label_set.calibration
    kind = "none" if fitted is None else fitted.kind
    detail = f" {fitted.temperature:g}" if fitted is not None and fitted.kind == "temperature" else ""
    lines = table(("expected calibration error", "before", "after", "equal mass", "mean of labels"), rows)
    return [*lines, "", f"The model's calibration, fitted on validation rows: {kind}{detail}."]


def confused(evaluation: Evaluation, figures: Figures) -> list[str]:
    """Return the pairs of labels that are taken for one another."""
    names = evaluation.names
    rows = [
        [inline(names[one.missed]), inline(names[one.given]), one.rows, f"{one.share:.1%}", one.together]
        for one in figures.confusions
    ]
    head = ("missed", "given instead", "rows", "of those that have the missed one", "rows that have both")
    return section("Labels taken for one another", table(head, rows) if rows else [])


def examples(evaluation: Evaluation) -> list[str]:
    """Return rows with their text, labels and scores."""
    found = pick(evaluation.truth, evaluation.model.calibrated, evaluation.seed)
    lines = [line for kind, rows in found.items() for row in rows for line in _example(evaluation, kind, row)]
    return section("Examples", lines)


def tables_of_rows(title: str, rows: Sequence[dict[str, object]]) -> list[str]:
    """Return a section with one table whose columns are the rows' keys."""
    head = list(dict.fromkeys(key for row in rows for key in row))
    return section(title, table(head, [[row.get(key) for key in head] for row in rows]) if rows else [])


def wall_times(figures: Figures) -> list[str]:
    """Return the seconds of each candidate's steps."""
    rows = [
        [one.title, step, f"{value:.1f}"] for one in figures.candidates.values() for step, value in one.wall_s.items()
    ]
    return section("Wall times", table(("", "step", "s"), rows) if rows else [])


def _validation(figures: Figures) -> list[str]:
    rows = [
        [one.title, key, value, one.figures.get(key)]
        for one in figures.candidates.values()
        for key, value in one.validation.items()
    ]
    head = ("validation rows, rule cross-fitted", "figure", "validation", "test")
    return table(head, rows) if rows else []


def _example(evaluation: Evaluation, kind: str, row: int) -> Iterator[str]:
    scores, assigned = evaluation.model.calibrated[row], evaluation.model.assigned[row]
    yield f"- {kind}, `{evaluation.ids[row]}`: {inline(evaluation.texts[row])}"
    yield f"  - true: {_named(evaluation, evaluation.truth[row], scores) or 'none'}"
    yield f"  - given: {_named(evaluation, assigned, scores) or 'none'}"


def _named(evaluation: Evaluation, held: NDArray[np.bool_], scores: NDArray[np.float32]) -> str:
    order = sorted(np.flatnonzero(held).tolist(), key=lambda at: -float(scores[at]))
    return ", ".join(f"{inline(evaluation.names[at])} ({scores[at]:.2f})" for at in order)
