"""Classifiers that train in a moment: the recipes of configs/ made small, on few generated rows, in their own home.

`papers` reads n-grams only; `genres` reads them beside a tiny random transformer, through all three branches.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from bundle.bundle import Bundle
from bundle.store import save

if TYPE_CHECKING:
    from training.steps import Steps
    from training.trained_classifier import TrainedClassifier

SMALL = (
    "training.accelerator=cpu", "training.threads=1", "training.epochs=4", "training.batch_rows=32",
    "training.checkpoint_every_steps=10", "bag.ngrams.bits=14", "bag.min_documents=2",
    "branches.layers.bag_width=32", "branches.layers.hidden=48", "export.probe_rows=64",
    "export.tolerances.metric_drop=0.05", "export.sample_floors={}",
)  # fmt: skip
PAPERS = (*SMALL, "data.sample_rows=1900", "data.split={test: 0.3, validation: 0.15}", "bag.max_rows=6000")
ENCODER_TOKENS = 48


@dataclass(frozen=True)
class Home:
    """Folders that stand in for a person's own: no data folder, an empty cache, no runs; and a tiny encoder."""

    root: Path
    encoder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of a process that lives here."""
        return {"JUBAKO_CACHE_DIR": str(self.root / "cache"), "JUBAKO_RUNS_DIR": str(self.root / "runs")}

    @property
    def runs(self) -> Path:
        """Folder of the runs."""
        return self.root / "runs"

    @property
    def genres(self) -> tuple[str, ...]:
        """Overrides that make `genres` small."""
        return (
            *SMALL, "data.sample_rows=900", f"encoder.source={self.encoder}", f"encoder.max_tokens={ENCODER_TOKENS}",
            "encoder.token_layer=1", "branches.attention.width=24",
        )  # fmt: skip

    @contextmanager
    def entered(self) -> Iterator[pytest.MonkeyPatch]:
        """Live here while the block runs."""
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("JUBAKO_DATA_DIR", raising=False)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield patch


def quiet() -> "Steps":
    """Return steps that say nothing."""
    from training.steps import Steps

    return Steps(Console(quiet=True))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home for every trained classifier of the session."""
    from tests.encoders import write_encoder

    root = tmp_path_factory.mktemp("home")
    return Home(root, write_encoder(root / "encoder"))


@pytest.fixture
def at_home(home: Home) -> Iterator[Home]:
    """Live there during a test."""
    with home.entered():
        yield home


def _trained(home: Home, name: str, overrides: tuple[str, ...]) -> "TrainedClassifier":
    from training.train import train
    from training.trained_classifier import TrainedClassifier

    with home.entered():
        train(name, overrides, console=Console(quiet=True))
        return TrainedClassifier.open(name, overrides)


@pytest.fixture(scope="session")
def trained_papers(home: Home) -> "TrainedClassifier":
    """A bag of n-grams, trained."""
    return _trained(home, "papers", PAPERS)


@pytest.fixture(scope="session")
def trained_genres(home: Home) -> "TrainedClassifier":
    """A bag and a frozen transformer, trained."""
    return _trained(home, "genres", home.genres)


def _exported(home: Home, trained: "TrainedClassifier", root: Path) -> Bundle:
    from export.classifier import build_classifier

    with home.entered():
        return save(build_classifier(trained, root, f"small-{trained.recipe.config.name}", quiet()))


@pytest.fixture(scope="session")
def exported_papers(
    home: Home, trained_papers: "TrainedClassifier", tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """Its bundle, in the store."""
    return _exported(home, trained_papers, tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="session")
def exported_genres(
    home: Home, trained_genres: "TrainedClassifier", tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """Its bundle, in the store."""
    return _exported(home, trained_genres, tmp_path_factory.mktemp("genres"))
