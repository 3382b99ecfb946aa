"""Recommenders that train in a moment: the recipes of configs/ made small, on few rows, in the tests' home."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from bundle.bundle import Bundle
from bundle.store import save
from tests.trained import Home, quiet

if TYPE_CHECKING:
    from training.trained_two_tower import TrainedTwoTower
    from training.trained_works import TrainedWorks

BRIEF = ("training.accelerator=cpu", "training.threads=1", "training.checkpoint_every_steps=0")
BOOKS = (
    *BRIEF, "data.download=false", "data.sample.rows=9000", "training.epochs=4", "training.batch_rows=32",
    "training.learning_rate=0.01", "training.weight_decay=0.1", "towers.variant=dat", "towers.width=32",
    "towers.hidden=[32]", "reads.item=[author, publisher, decade, words, tags]", "reads.user=[country, age]",
    "objective.category=decade", "evaluation.baselines=[popularity, item_knn]", "evaluation.seeds=[]",
    "export.probe_rows=64", "export.precisions=[int8, fp16]", "export.sample_floors={}",
)  # fmt: skip
"""Some 330 readers and 170 books, of whom attributes and tags are read; a run takes two or three seconds."""

WORKS = (
    *BRIEF, "data.sample_rows=1000", "reads.bits=12", "reads.unknown=32", "encoder.width=32", "encoder.hidden=[32]",
    "training.epochs=5", "training.batch_rows=128", "training.learning_rate=1e-3", "objective.table_rate_factor=40",
    "evaluation.targets={fandom@10: 0.9}", "export.probe_rows=48",
    "export.precisions=[int8, fp16]", "export.sample_floors={}",
)  # fmt: skip
"""Fourteen worlds of six ships; a run takes three or four seconds."""


@pytest.fixture(scope="session")
def trained_books(home: Home) -> "TrainedTwoTower":
    """Two towers with augmented vectors, trained."""
    return train_books(home)


@pytest.fixture(scope="session")
def exported_books(home: Home, trained_books: "TrainedTwoTower", tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Their bundle `small-books`, in the store."""
    return export_books(home, trained_books, tmp_path_factory.mktemp("books"), "small-books")


def train_books(home: Home, *overrides: str, run: str = "books", root: Path | None = None) -> "TrainedTwoTower":
    """Train two towers as `BOOKS` says, and otherwise where `overrides` do, and open them."""
    from training.train import train
    from training.trained_two_tower import TrainedTwoTower

    settings: Sequence[str] = (*BOOKS, *overrides)
    with home.entered():
        train("books", settings, root=root, run_name=run, console=Console(quiet=True))
        return TrainedTwoTower.open("books", settings, root=root, run_name=run)


def export_books(home: Home, trained: "TrainedTwoTower", root: Path, name: str) -> Bundle:
    """Export two towers into `root` and the store."""
    from export.recommender import build_recommender
    from export.two_tower import recommender_of

    with home.entered():
        return save(build_recommender(recommender_of(trained, name), root, quiet()))


@pytest.fixture(scope="session")
def trained_works(home: Home) -> "TrainedWorks":
    """An encoder of fan works, trained."""
    return train_works(home)


@pytest.fixture(scope="session")
def exported_works(home: Home, trained_works: "TrainedWorks", tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Its bundle `small-works`, in the store."""
    return export_works(home, trained_works, tmp_path_factory.mktemp("works"), "small-works")


def train_works(home: Home, *overrides: str, run: str = "works", root: Path | None = None) -> "TrainedWorks":
    """Train an encoder of works as `WORKS` says, and otherwise where `overrides` do, and open it."""
    from training.train import train
    from training.trained_works import TrainedWorks

    settings: Sequence[str] = (*WORKS, *overrides)
    with home.entered():
        train("works", settings, root=root, run_name=run, console=Console(quiet=True))
        return TrainedWorks.open("works", settings, root=root, run_name=run)


def export_works(home: Home, trained: "TrainedWorks", root: Path, name: str) -> Bundle:
    """Export an encoder of works into `root` and the store."""
    from export.recommender import build_recommender
    from export.works import recommender_of

    with home.entered():
        return save(build_recommender(recommender_of(trained, name), root, quiet()))
