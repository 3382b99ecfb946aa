"""The two towers of a run as a recommender to export: which encoders, which catalogue, which readers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.bundle import Bundle
from bundle.manifest import Role, TaskMetric
from export.figures import refuse_below, tested
from export.recommender import Readers, Recommender, Shelf, Side, build_recommender
from export.retrieval import FIGURE, Retrieval
from features.people import User
from features.records import Book
from training.steps import Steps
from training.trained_two_tower import TrainedTwoTower

FACETS = ("author", "publisher", "year", "tags")
SHOWN = ("id", "title", "author", "year", "publisher", "tags")
TESTED = ("recall@20", "ndcg@20")
"""Figures of the evaluation that the manifest tells."""
MOST_JUDGED = 2000
"""Validation users over which each graph's recall is measured, at most."""


def build_two_tower(trained: TrainedTwoTower, root: Path, name: str, steps: Steps) -> Bundle:
    """Export into the empty folder `root` and return the sealed bundle; nothing is stored.

    Raises:
        ExportError: the run is below a floor, or a graph does not agree with PyTorch.
    """
    return build_recommender(recommender_of(trained, name), root, steps)


def recommender_of(trained: TrainedTwoTower, name: str) -> Recommender:
    """Return what is to be exported of a run.

    Raises:
        ExportError: it is below a floor.
    """
    recipe, config = trained.recipe, trained.recipe.config
    figures = _validated(trained)
    key, floors = "export.floors", config.export.floors
    if recipe.data.generated:
        key, floors = "export.sample_floors", config.export.sample_floors
    refuse_below({FIGURE: floors.recall_at_20}, figures, key)
    records = [Book.model_validate(book.model_dump()) for book in recipe.books]
    return Recommender(
        name=name,
        family=config.family,
        record="book",
        run=trained.run,
        features=recipe.features,
        sides=_sides(trained),
        shelf=Shelf(records, [_shown(book) for book in records], FACETS, recipe.popularity),
        readers=_readers(trained),
        figures=[*figures, *tested(trained.run, TESTED)],
        config=config.export,
        architecture=f"two towers, {config.towers.variant}, {config.towers.fusion}",
        queries=_queries(trained),
    )


def _sides(trained: TrainedTwoTower) -> list[Side]:
    recipe, probes = trained.recipe, trained.recipe.config.export.probe_rows
    validation, train = recipe.holdout.validation, recipe.holdout.train
    judged = np.flatnonzero(np.diff(validation.indptr))[:MOST_JUDGED]
    users = recipe.users(train, judged)
    protocol = f"{len(judged):,} validation users; {trained.protocol()}"
    vectors = trained.user_vectors(train, judged)  # [users, width]
    module = trained.module.cpu()
    of_users, of_items = module.user_encoder(), module.item_encoder()
    parts = train[judged], validation[judged], protocol
    return [
        Side(
            Role.USER, of_users, of_users.names, recipe.user_features, [*_odd_users(recipe.books), *users[:probes]],
            Retrieval(users, None, trained.item_vectors, *parts),
        ),
        Side(
            Role.ITEM, of_items, of_items.names, recipe.item_features, [*_odd_books(), *recipe.books[:probes]],
            Retrieval(recipe.books, vectors, None, *parts),
        ),
    ]  # fmt: skip


def _queries(trained: TrainedTwoTower) -> NDArray[np.float32]:
    validation = trained.recipe.holdout.validation
    judged = np.flatnonzero(np.diff(validation.indptr))[:MOST_JUDGED]
    return trained.user_vectors(trained.recipe.holdout.train, judged)


def _odd_users(books: Sequence[Book]) -> list[User]:
    """Return users at the edges: of whom nothing is known, who read one book, who read it twice, who are new."""
    first = str(books[0].id)
    return [User(), User(history=(first,)), User(history=(first, first)), User(id="nobody", attributes={"age": 200})]


def _odd_books() -> list[Book]:
    """Return books at the edges: unknown, without anything but a title, with the same tag twice."""
    return [Book(id="unknown"), Book(title="x"), Book(title="A" * 500, author="B", tags=("c", "c")), Book(year=-720)]


def _shown(book: Book) -> dict[str, Any]:
    told = book.model_dump(mode="json", include=set(SHOWN), exclude_defaults=True)
    return {name: told[name] for name in SHOWN if name in told}


def _readers(trained: TrainedTwoTower) -> Readers:
    """Return all users with everything that is not test: what a served user id stands for."""
    recipe = trained.recipe
    everybody = recipe.users(recipe.holdout.history)
    attributes: list[Mapping[str, Any]] = [user.attributes for user in everybody]
    read = {field.name for field in recipe.user_features.config.fields}
    told = [{name: value for name, value in one.items() if name in read} for one in attributes]
    return Readers(recipe.data.user_ids, recipe.holdout.history, told)


def _validated(trained: TrainedTwoTower) -> list[TaskMetric]:
    protocol = f"validation users; {trained.protocol()}"
    best = trained.metrics.best.validation
    return [TaskMetric(name=name, value=best[name], protocol=protocol) for name in (FIGURE,)]
