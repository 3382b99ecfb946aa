"""The toy family, registered for the tests of the training core."""

from pathlib import Path

import pytest

from tests.training.toy import FAMILY, write_toy
from training.recipes import FAMILIES


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a recipe of the toy family, in a folder of its own."""
    monkeypatch.setitem(FAMILIES, "toy", FAMILY)
    return write_toy(tmp_path)
