"""Run in a process of its own: the C library's state is the whole process's."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import numpy as np
import psutil
from serving.releases.memory import give_back, keep_large_blocks_apart

MIB = 1 << 20
if sys.argv[1] == "apart":
    keep_large_blocks_apart()
process = psutil.Process()
first = np.ones(8 * MIB, dtype=np.uint8)
del first  # from here on the C library takes blocks of this size from its heap, unless it was told otherwise
before = process.memory_info().rss
large = [np.ones(7 * MIB, dtype=np.uint8) for _ in range(10)]
last = [bytes(3000) for _ in range(1000)]
del large
freed = process.memory_info().rss
give_back()
trimmed = process.memory_info().rss
print((freed - before) // MIB, (trimmed - before) // MIB)
"""


def left(mode: str, repository: Path) -> list[int]:
    """Return the MiB that stay when 70 were freed, and when heaps were trimmed after that."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, mode], capture_output=True, text=True, cwd=repository, check=True
    )
    return [int(number) for number in done.stdout.split()]


glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are those of the GNU C library")


@glibc
def test_large_blocks_go_back_as_soon_as_they_are_freed(repository: Path) -> None:
    assert left("apart", repository)[0] < 10


@glibc
def test_what_stays_in_heaps_is_given_back(repository: Path) -> None:
    before, after = left("as it is", repository)
    assert before > 40, "the C library keeps what it has freed"
    assert after < 10
