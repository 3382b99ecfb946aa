from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bundle.bundle import Bundle
from bundle.store import save
from serving.access.keys import digest_of, new_key
from serving.access.records import KeyRecord, write_keys
from tests.e2e.server import Server, running
from tests.tiny import build_tiny_bundle
from tests.tiny_classifier import build_tiny_classifier
from tests.trained import Home
from tests.trained_recommenders import export_books, export_works

if TYPE_CHECKING:
    from training.trained_two_tower import TrainedTwoTower
    from training.trained_works import TrainedWorks

RECORDS: dict[str, dict[str, Any]] = {
    "all": {},
    "embedder": {"endpoints": ["embed"], "models": ["tiny"]},
    "elsewhere": {"models": ["books*"]},
    "slow": {"requests_per_second": 0.1},
    "small": {"tokens_per_minute": 60},
    "scraper": {"endpoints": ["metrics"]},
    "leaver": {},
}
"""Keys of the guarded server, by name."""


@dataclass(frozen=True)
class Guarded:
    """A server that needs keys."""

    server: Server
    keys: dict[str, str]
    file: Path

    def bearer(self, name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[name]}"}


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


@pytest.fixture(scope="session")
def guarded(stored_tiny: Bundle, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server that needs keys, with short limits for slow senders."""
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys = {name: new_key() for name in RECORDS}
    records = {
        keys[name].id: KeyRecord(name=name, digest=digest_of(keys[name].secret).hex(), **fields)
        for name, fields in RECORDS.items()
    }
    write_keys(file, records)
    log = tmp_path_factory.mktemp("log") / "server.log"
    with running(
        repository, log, JUBAKO_MODELS='["tiny"]', JUBAKO_ACCESS__KEYS_FILE=str(file), JUBAKO_ACCESS__METRICS="key",
        JUBAKO_LIMITS__HEAD_MS="1500", JUBAKO_LIMITS__BODY_MS="1500",
    ) as server:  # fmt: skip
        yield Guarded(server, {name: str(key) for name, key in keys.items()}, file)
