"""A home of the tests' own for data: no data folder, an empty cache, no package index."""

from pathlib import Path

import pytest

from training.data.sources import CACHE_DIR, DATA_DIR


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that is the cache during a test."""
    monkeypatch.delenv(DATA_DIR, raising=False)
    monkeypatch.setenv(CACHE_DIR, str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path / "cache" / "data"
