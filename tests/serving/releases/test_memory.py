"""Run in a process of its own: the C library's state is the whole process's."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import numpy as np
import psutil
from serving.releases.memory import give_back, keep_large_blocks_apart

if sys.argv[1] == "apart":
    keep_large_blocks_apart()
process = psutil.Process()
before = process.memory_info().rss
kept = []
for _ in range(30):
    large = np.ones(2 << 20, dtype=np.float32)
    kept.append([bytes(2000) for _ in range(50)])  # small blocks that outlive the large ones
    del large
small = [bytes(200_000) for _ in range(200)]
del small
give_back()
print((process.memory_info().rss - before) >> 20)
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="elsewhere memory is managed otherwise")
def test_what_is_freed_goes_back_to_the_system(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "apart"], capture_output=True, text=True, cwd=repository, check=True
    )
    assert int(done.stdout) < 12
