"""A trained classifier on its test rows, beside its baselines: the one place where test rows are looked at."""

import time

from training.baselines.run import Texts, run_baselines
from training.classifier import Part
from training.report.evaluation import Candidate, Evaluation, cross_fitted_figures
from training.report.figures import Figures
from training.report.summary import Line, Summary
from training.report.write import write_report
from training.steps import Steps
from training.trained_classifier import TrainedClassifier

SHOWN = ("f1_micro", "f1_macro", "lrap")


def evaluate_classifier(trained: TrainedClassifier, steps: Steps) -> Figures:
    """Measure a run and its baselines, write the report into the run's folder, and return the figures."""
    recipe = trained.recipe
    test = recipe.with_readings(recipe.part(recipe.splits.test), "test")
    with steps.step("decision rule on validation rows"):
        label_set, honest = trained.label_set, trained.cross_fitted()
    with steps.step(f"{len(test.rows)} test rows"):
        began = time.perf_counter()
        scores = trained.scores(test)
        seconds = time.perf_counter() - began
    with steps.step("baselines on the same rows"):
        baselines = run_baselines(
            _texts(recipe.train), _texts(recipe.validation), _texts(test), recipe.label_set, recipe.config.decision
        )
    model = Candidate(
        recipe.config.name,
        recipe.config.name,
        scores,
        label_set,
        cross_fitted_figures(honest, recipe.validation.truth),
        {"train": trained.metrics.seconds, "predict": seconds},
        notes=(f"branches: {', '.join(trained.module.branches)}; their logits are averaged",),
    )
    with steps.step("report"):
        evaluation = Evaluation(
            title=f"{recipe.config.name}: {len(recipe.data.labels)} labels",
            protocol=protocol(trained),
            truth=test.truth,
            ids=test.frame["id"].to_list(),
            texts=test.texts,
            model=model,
            baselines=baselines,
            about=trained.about(recipe.data.description),
            history=trained.history(),
            seed=recipe.config.seed,
        )
        return write_report(trained.run.report, evaluation)


def summarise_classifier(trained: TrainedClassifier, steps: Steps) -> Summary:
    """Evaluate, and return the main figures."""
    figures = evaluate_classifier(trained, steps)
    return Summary(SHOWN, [Line(found.title, found.figures, found.intervals) for found in figures.candidates.values()])


def protocol(trained: TrainedClassifier) -> str:
    """Say in one line what figures of this run depend on."""
    recipe = trained.recipe
    how, rows = recipe.config.data.protocol, trained.run.data().rows
    split = "random by group" if how.by == "random" else "by time, the newest rows are the test"
    return (
        f"{recipe.data.description}; split {split}, seed {how.seed}: {rows['train']:,} training, "
        f"{rows['validation']:,} validation, {rows['test']:,} test rows; {' + '.join(recipe.config.fields)}; "
        "calibration and thresholds fitted on validation rows"
    )


def _texts(part: Part) -> Texts:
    return Texts(part.texts, part.truth)
