from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.bundle import Bundle
from bundle.store import save
from tests.e2e.server import Server, running
from tests.tiny import build_tiny_bundle


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
