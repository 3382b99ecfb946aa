"""Versions and machine of a session: the environment.json of a run."""

import os
import platform
from importlib.metadata import version
from typing import Any

import torch
from lightning_fabric import Fabric

PACKAGES = "torch", "lightning-fabric", "numpy", "safetensors", "pydantic"


def describe_environment(fabric: Fabric) -> dict[str, Any]:
    """Return what the figures of a run depend on beside configuration and data."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else str(fabric.device),
        "processes": fabric.world_size,
        "versions": {package: version(package) for package in PACKAGES},
    }
