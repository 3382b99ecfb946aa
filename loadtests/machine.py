"""What a number depends on besides the code: the machine, the versions, the commit."""

import os
import platform
import subprocess

import psutil

from loadtests.servers import ROOT
from training.report.about import installed, processor

PACKAGES = ("bentoml", "onnxruntime", "tokenizers", "numpy", "uvicorn", "uvloop", "httptools", "orjson")


def describe_machine() -> dict[str, str]:
    """Return hardware, system and how busy it was."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return {
        "cpu": processor(),
        "cores": f"{len(os.sched_getaffinity(0))} usable of {psutil.cpu_count()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load before the run (1, 5, 15 min)": load,
    }


def describe_versions() -> dict[str, str]:
    """Return the versions of Python, of the packages that matter, and of this code."""
    return {"python": platform.python_version(), **{name: installed(name) for name in PACKAGES}, "commit": _commit()}


def _commit() -> str:
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return git.stdout.strip() or "not committed"
