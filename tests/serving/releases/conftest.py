"""Versions of one small model, loaded without a store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.bundle import Bundle
from bundle.errors import BundleError
from bundle.store import save
from serving.loading import load_model
from serving.model import Served
from serving.releases.loaders import LocalLoader
from serving.settings import Settings
from tests.tiny import build_tiny_bundle

VERSIONS = ("1", "2", "3")


@pytest.fixture(scope="session")
def stored_versions(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Three versions of a text encoder in the store, whose vectors differ."""
    return [
        save(build_tiny_bundle(tmp_path_factory.mktemp("twin"), name="twin", version=version, seed=int(version)))
        for version in VERSIONS
    ]


class NotingLoader(LocalLoader):
    """Loads from the store and notes what it does; versions of `broken` fail."""

    def __init__(self) -> None:
        super().__init__(self._load_tag)
        self.tags: list[str] = []
        self.freed: list[str] = []
        self.broken: dict[str, Exception] = {}

    def _load_tag(self, tag: str) -> Served:
        self.tags.append(tag)
        if (error := self.broken.get(tag)) is not None:
            raise error
        return load_model(tag, Settings())

    async def confirm(self, tag: str) -> None:
        if isinstance(error := self.broken.get(tag), BundleError):
            raise error

    async def free(self, model: Served) -> None:
        await super().free(model)
        self.freed.append(model.manifest.version)


@pytest.fixture
def loader(stored_versions: list[Bundle]) -> Iterator[NotingLoader]:
    loader = NotingLoader()
    yield loader
    loader.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for the releases file."""
    monkeypatch.setenv("JUBAKO_RELEASES__FILE", str(tmp_path / "releases.json"))
    return tmp_path
