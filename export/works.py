"""The encoder of works of a run as a recommender to export: which graph, which catalogue, what it has to show."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from bundle.bundle import Bundle
from bundle.manifest import Role, TaskMetric
from export.figures import refuse_below, tested
from export.recommender import Recommender, Shelf, Side, build_recommender
from features.towers import TowersConfig
from features.works import Tags, Work
from training.metrics.neighbours import agreement, sets_of
from training.steps import Steps
from training.trained_works import TrainedWorks
from training.work_features import bare
from training.work_neighbours import CUTOFF, neighbours

FACETS = (
    "tags.fandom", "tags.relationship", "tags.character", "tags.category", "tags.rating", "tags.warning",
    "tags.freeform", "authors", "language",
)  # fmt: skip
FLOORS = ("fandom@10", "ship@10")
"""Figures of validation and of the evaluation that the manifest tells."""
JUDGED, MOST_FOUND = 1000, 4000
"""Validation works by which each graph is judged, and training works among which neighbours are found, at most."""


def build_works(trained: TrainedWorks, root: Path, name: str, steps: Steps) -> Bundle:
    """Export into the empty folder `root` and return the sealed bundle; nothing is stored.

    Raises:
        ExportError: the run is below a floor, or a graph does not agree with PyTorch.
    """
    return build_recommender(recommender_of(trained, name), root, steps)


def recommender_of(trained: TrainedWorks, name: str) -> Recommender:
    """Return what is to be exported of a run.

    Raises:
        ExportError: it is below a floor.
    """
    recipe, config = trained.recipe, trained.recipe.config
    figures = _validated(trained)
    key, floors = "export.floors", config.export.floors
    if recipe.data.generated:
        key, floors = "export.sample_floors", config.export.sample_floors
    refuse_below(dict(zip(FLOORS, (floors.fandom_at_10, floors.ship_at_10), strict=True)), figures, key)
    return Recommender(
        name=name,
        family=config.family,
        record="work",
        run=trained.run,
        features=TowersConfig(encoders={"item": recipe.features.config}),
        sides=[_side(trained)],
        shelf=Shelf(recipe.records, [_shown(work) for work in recipe.records], FACETS, _kudos(recipe.records)),
        readers=None,
        figures=[*figures, *tested(trained.run, FLOORS)],
        config=config.export,
        architecture=f"sparse fields, {config.encoder.variant}",
    )


@dataclass(frozen=True)
class Neighbourhood:
    """Works of which title and free tags are told, and whole works among which their neighbours are found."""

    texts: Sequence[Work]
    """The bare works, then the whole ones."""
    asked: int
    """How many are bare."""
    own: NDArray[np.int64]
    """Place of each bare work among the whole ones."""
    ships: csr_matrix
    """Of the whole works, bool [works, ships]."""
    protocol: str

    def score(self, vectors: NDArray[np.float32]) -> TaskMetric:
        """Return the share of the ten nearest that have a ship of the work that is asked about."""
        top = neighbours(vectors[: self.asked], self.own, vectors[self.asked :], CUTOFF)
        value = float(agreement(top, self.ships[self.own], self.ships).mean())
        return TaskMetric(name=f"ship@{CUTOFF}", value=value, protocol=self.protocol)


def neighbourhood(trained: TrainedWorks) -> Neighbourhood:
    """Return what graphs are judged by: validation works that have a ship, among these and training works."""
    recipe = trained.recipe
    with_ship = [at for at in recipe.data.validation.tolist() if recipe.records[at].tags.relationship][:JUDGED]
    found = [recipe.records[at] for at in (*with_ship, *recipe.data.train[:MOST_FOUND].tolist())]
    return Neighbourhood(
        texts=[*map(bare, found[: len(with_ship)]), *found],
        asked=len(with_ship),
        own=np.arange(len(with_ship)),
        ships=sets_of([work.tags.relationship for work in found]),
        protocol=f"title and free tags of {len(with_ship):,} validation works, whole works found among these and "
        f"{len(found) - len(with_ship):,} training works; {trained.protocol()}",
    )


def _side(trained: TrainedWorks) -> Side:
    recipe = trained.recipe
    task = neighbourhood(trained)
    module = deepcopy(trained.module).cpu()
    module.bake()
    probes = recipe.records[: recipe.config.export.probe_rows]
    half = len(probes) // 2
    mixed = [*_odd_works(), *probes[:half], *map(bare, probes[half:])]
    return Side(Role.ITEM, module, module.names, recipe.features, mixed, task)


def _odd_works() -> list[Work]:
    """Return works at the edges: of which nothing is told, one tag, the same tag twice, tags that nobody knows."""
    return [
        Work(),
        Work(title="x"),
        Work(tags=Tags(freeform=("Fluff",))),
        Work(tags=Tags(freeform=("Fluff", "fluff", "Fluff"))),
        Work(title="A" * 500, tags=Tags(fandom=("nobody's",), relationship=("Nobody/Noone",), freeform=("?!",))),
    ]


def _shown(work: Work) -> dict[str, Any]:
    return work.model_dump(mode="json", exclude_defaults=True)


def _kudos(works: Sequence[Work]) -> NDArray[np.float32]:
    return np.array([work.statistics.kudos or 0 for work in works], np.float32)


def _validated(trained: TrainedWorks) -> list[TaskMetric]:
    protocol = f"title and free tags of validation works, among these and training works; {trained.protocol()}"
    best = trained.metrics.best.validation
    return [TaskMetric(name=name, value=best[name], protocol=protocol) for name in FLOORS]
