"""Trained towers on the interactions held out for the test, beside their baselines: the one place that sees them."""

import time

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.baselines.ranker import run_ranker
from training.baselines.recommenders import rankers
from training.loop import fit
from training.metrics.topk import per_user
from training.recipes import make_recipe
from training.report.recommendation_figures import RecommendationFigures
from training.report.recommendations import write_recommendations
from training.report.recommender_evaluation import Items, RankedCandidate, RecommenderEvaluation, SeedRun
from training.report.summary import Summary
from training.steps import Steps
from training.trained_two_tower import TrainedTwoTower
from training.two_tower_config import TwoTowerConfig

SHOWN = ("recall@20", "ndcg@20", "recall@100")
SEED_FIGURES = ("recall@20", "ndcg@20", "hit@100", "recall@100")
VARIANTS = ("plain", "dat")


def evaluate_two_tower(trained: TrainedTwoTower, steps: Steps) -> RecommendationFigures:
    """Measure a run and its baselines, write the report into the run's folder, and return the figures."""
    recipe, config = trained.recipe, trained.recipe.config
    holdout, data = recipe.holdout, recipe.data
    users = np.flatnonzero(np.diff(holdout.test.indptr))
    with steps.step(f"{len(users):,} test users"):
        model = _own(trained, users)
    baselines = []
    for ranker in rankers(config.evaluation.baselines, holdout):
        with steps.step(f"baseline {ranker.title}"):
            baselines.append(run_ranker(ranker, holdout.history, users))
    seeds = [
        _seed_run(trained, variant, seed, users, steps) for seed in config.evaluation.seeds for variant in VARIANTS
    ]
    with steps.step("report"):
        evaluation = RecommenderEvaluation(
            title=f"{config.name}: {len(data.item_ids):,} items, {len(data.user_ids):,} users",
            protocol=trained.protocol(),
            history=holdout.history,
            held_out=holdout.test,
            users=users,
            items=_items(trained),
            model=model,
            baselines=baselines,
            item_vectors=trained.item_vectors,
            user_ids=data.user_ids,
            about=trained.about(data.description),
            targets={} if data.generated else config.evaluation.targets,
            training=trained.history(),
            seed_runs=seeds,
            seed=config.seed,
        )
        return write_recommendations(trained.run.report, evaluation)


def summarise_two_tower(trained: TrainedTwoTower, steps: Steps) -> Summary:
    """Evaluate, and return the main figures."""
    return evaluate_two_tower(trained, steps).summary(SHOWN)


def _own(trained: TrainedTwoTower, users: NDArray[np.int64]) -> RankedCandidate:
    began = time.perf_counter()
    top = trained.top(users, trained.recipe.holdout.history)
    wall_s = {"fit": trained.metrics.seconds, "rank": time.perf_counter() - began}
    towers = trained.recipe.config.towers
    notes = (f"two towers, {towers.variant}, {towers.fusion}, width {towers.width}, {towers.similarity}",)
    return RankedCandidate(trained.recipe.config.name, trained.recipe.config.name, top, wall_s, notes)


def _seed_run(trained: TrainedTwoTower, variant: str, seed: int, users: NDArray[np.int64], steps: Steps) -> SeedRun:
    """Train one variant with one seed, on the same data and its division, unless that has been done, and measure it."""
    config = trained.recipe.config
    towers = config.towers.model_copy(update={"variant": variant})
    varied: TwoTowerConfig = config.model_copy(update={"towers": towers, "seed": seed})
    recipe = make_recipe(varied)
    with steps.step(f"{variant}, seed {seed}"):
        result = fit(recipe, trained.run.folder / "seeds", f"{variant}-{seed}")
        found = TrainedTwoTower.of(result.run, recipe)
        histories: csr_matrix = trained.recipe.holdout.history
        figures = per_user(found.top(users, histories), trained.recipe.holdout.test[users], cutoffs=(20, 100))
    return SeedRun(variant, seed, {name: float(figures[name].mean()) for name in SEED_FIGURES})


def _items(trained: TrainedTwoTower) -> Items:
    books = trained.recipe.books
    ids, titles, authors = zip(*((str(book.id), book.title, book.author) for book in books), strict=True)
    return Items(ids, titles, authors, _tags(trained))


def _tags(trained: TrainedTwoTower) -> csr_matrix | None:
    """Return which items have which tags, bool [items, tags]; None where the data has no tags."""
    books = trained.recipe.books
    columns = {tag: at for at, tag in enumerate(sorted({tag for book in books for tag in book.tags}))}
    if not columns:
        return None
    pairs = [(row, columns[tag]) for row, book in enumerate(books) for tag in set(book.tags)]
    rows, places = zip(*pairs, strict=True)
    return csr_matrix((np.ones(len(rows), np.bool_), (rows, places)), shape=(len(books), len(columns)))
