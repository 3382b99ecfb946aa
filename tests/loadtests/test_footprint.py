"""The footprint of a tiny bundle, from a real server."""

from pathlib import Path

import pytest

from bundle.bundle import Bundle
from loadtests.footprint import COLUMNS, footprint


@pytest.mark.e2e
def test_a_bundle_is_weighed(stored_tiny: Bundle, tmp_path: Path) -> None:
    found = footprint(stored_tiny, tmp_path / "one", window_s=0.5)
    assert 0 < found.disk_mib < 5
    assert 0.5 < found.start_s < 60
    assert 50 < found.idle_mib < found.loaded_mib + 50
    assert found.requests_per_s > 10
    assert found.tokens_per_s > 10
    assert len(found.cells()) == len(COLUMNS)
