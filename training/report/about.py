"""The lines of a report's header that tell what its figures depend on besides the data."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def describe_machine() -> dict[str, str]:
    """Return processor, usable cores, memory and system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": f"{processor()}, {len(os.sched_getaffinity(0))} usable cores, {memory / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def describe_versions(packages: Sequence[str] = ("jubako", "torch", "numpy", "scikit-learn")) -> dict[str, str]:
    """Return one line with the versions of Python and of packages."""
    found = [f"{package} {installed(package)}" for package in packages]
    return {"versions": ", ".join([f"python {platform.python_version()}", *found])}


def installed(package: str) -> str:
    """Return the version of a package, or say that there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def processor() -> str:
    """Return the processor's model name."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
