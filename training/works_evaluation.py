"""The neighbours of test works, beside those that words and chance find: the one place that sees the test works."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from features.works import Work
from training.baselines.text_neighbours import random_neighbours, tfidf_neighbours
from training.metrics.lists import NOTHING, Ranked
from training.metrics.neighbours import sets_of
from training.report.similarity import write_similarity
from training.report.similarity_evaluation import CUTOFFS, SimilarCandidate, SimilarityEvaluation
from training.report.similarity_figures import SimilarityFigures
from training.report.summary import Summary
from training.steps import Steps
from training.trained_works import TrainedWorks
from training.work_features import bare
from training.work_neighbours import SETS, neighbours
from training.works_config import Baseline

SHOWN = ("fandom@10", "ship@10")
NEAREST = max(CUTOFFS)
BARE, WHOLE, MIXED = "title + tags", "everything", "title + tags, others everything"
AMONG_TEST = ", among test works"

Rows = NDArray[np.int64]


def evaluate_works(trained: TrainedWorks, steps: Steps) -> SimilarityFigures:
    """Measure a run and its baselines, write the report into the run's folder, and return the figures."""
    recipe, config = trained.recipe, trained.recipe.config
    with steps.step(f"vectors of {len(recipe.data):,} works"):
        model, *others = _own(trained)
    for baseline in config.evaluation.baselines:
        with steps.step(f"baseline {baseline}"):
            others += _baseline(trained, baseline)
    with steps.step("report"):
        evaluation = SimilarityEvaluation(
            title=f"{config.name}: {len(recipe.data):,} works",
            protocol=trained.protocol(),
            ids=recipe.data.ids,
            titles=[work.title for work in recipe.records],
            sets={name: sets_of(recipe.data.tags(kind).to_list()) for name, kind in SETS.items()},
            queries=recipe.data.test,
            model=model,
            others=others,
            vectors=trained.whole,
            about=trained.about(recipe.data.description),
            targets={} if recipe.data.generated else config.evaluation.targets,
            training=trained.history(),
            seed=config.seed,
        )
        return write_similarity(trained.run.report, evaluation)


def summarise_works(trained: TrainedWorks, steps: Steps) -> Summary:
    """Evaluate, and return the main figures."""
    return evaluate_works(trained, steps).summary(SHOWN)


def _own(trained: TrainedWorks) -> list[SimilarCandidate]:
    """Return the model's neighbours by what is told of works; first those that the targets are about."""
    name, began = trained.recipe.config.name, time.perf_counter()
    readings = [
        ("", BARE, trained.bare, trained.bare),
        ("_mixed", MIXED, trained.bare, trained.whole),
        ("_whole", WHOLE, trained.whole, trained.whole),
    ]
    wall_s = {"fit": trained.metrics.seconds, "encode": time.perf_counter() - began}
    queries = trained.recipe.data.test
    among_all = [
        SimilarCandidate(f"{name}{key}", name, told, neighbours(asked[queries], queries, found, NEAREST), wall_s=wall_s)
        for key, told, asked, found in readings
    ]
    among_test = [
        SimilarCandidate(f"{name}{key}_among_test", name, told + AMONG_TEST, _among(asked, found, queries))
        for key, told, asked, found in readings
    ]
    return [*among_all, *among_test]


def _among(asked: NDArray[np.float32], found: NDArray[np.float32], rows: Rows) -> Ranked:
    """Return neighbours of some works among these alone, numbered as among all."""
    return _renumbered(neighbours(asked[rows], np.arange(len(rows)), found[rows], NEAREST), rows)


def _baseline(trained: TrainedWorks, baseline: Baseline) -> list[SimilarCandidate]:
    records, queries, seed = trained.recipe.records, trained.recipe.data.test, trained.recipe.config.seed
    if baseline == "random":
        top = random_neighbours(len(records), queries, NEAREST, seed)
        return [SimilarCandidate("random", "random", "nothing", top)]
    title, longest = TFIDF[baseline]

    def of(works: Sequence[Work], key: str, told: str, asked: Rows) -> SimilarCandidate:
        began = time.perf_counter()
        top = tfidf_neighbours([_text(work) for work in works], asked, NEAREST, longest)
        wall_s = {"fit and rank": time.perf_counter() - began}
        return SimilarCandidate(f"{baseline}{key}", title, told, top, wall_s=wall_s)

    told = [bare(work) for work in records]
    within = of([told[at] for at in queries], "_among_test", BARE + AMONG_TEST, np.arange(len(queries)))
    renumbered = SimilarCandidate(
        within.name, title, within.reads, _renumbered(within.top, queries), wall_s=within.wall_s
    )
    return [of(told, "", BARE, queries), of(records, "_whole", WHOLE, queries), renumbered]


def _renumbered(top: Ranked, rows: Rows) -> Ranked:
    """Return lists of places among `rows` as lists of rows."""
    return np.where(top == NOTHING, NOTHING, rows[top]).astype(np.int32)


def _text(work: Work) -> str:
    return "\n".join([work.title, work.summary, *work.values("tags")])


TFIDF: Mapping[Baseline, tuple[str, int]] = {"tfidf": ("TF-IDF", 1), "tfidf_pairs": ("TF-IDF with pairs", 2)}
"""Title, and the longest run of words that counts."""
