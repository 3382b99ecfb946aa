from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bundle.bundle import Bundle
from bundle.store import save
from tests.e2e.server import Server, running
from tests.tiny import build_tiny_bundle
from tests.tiny_classifier import build_tiny_classifier
from tests.trained import Home
from tests.trained_recommenders import export_books, export_works

if TYPE_CHECKING:
    from training.trained_two_tower import TrainedTwoTower
    from training.trained_works import TrainedWorks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def tiny_server(stored_tiny: Bundle, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with default settings and the tiny model."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    with running(repository, log, JUBAKO_MODELS='["tiny"]') as server:
        yield server


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a stored model whose graph takes some milliseconds a row."""
    save(build_tiny_bundle(tmp_path_factory.mktemp("slow"), name="slow", work=100))
    return "slow"


@pytest.fixture(scope="session")
def named_server(
    repository: Path,
    home: Home,
    trained_books: "TrainedTwoTower",
    trained_works: "TrainedWorks",
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A server with default settings, whose models have the names, kinds and dimensions of those of `make serve`."""
    save(build_tiny_bundle(tmp_path_factory.mktemp("text"), name="text", dimensions=384, sizes=()))
    save(build_tiny_classifier(tmp_path_factory.mktemp("genres"), name="genres"))
    save(build_tiny_classifier(tmp_path_factory.mktemp("papers"), name="papers", record="paper", joint=True))
    export_books(home, trained_books, tmp_path_factory.mktemp("books"), "books")
    export_works(home, trained_works, tmp_path_factory.mktemp("works"), "works")
    with running(repository, tmp_path_factory.mktemp("log") / "server.log") as server:
        yield server
