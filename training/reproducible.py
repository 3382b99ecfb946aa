"""Random numbers that a run can repeat: derived seeds, generator states, deterministic operations."""

import hashlib
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def derived_seed(*parts: object) -> int:
    """Return a 63-bit seed that is a function of the parts, the same on every machine and Python."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_of(*parts: object) -> torch.Generator:
    """Return a CPU generator seeded by the parts."""
    return torch.Generator().manual_seed(derived_seed(*parts))


def seed_all(*parts: object) -> None:
    """Seed the global generators of Python, NumPy and torch, on every device."""
    seed = derived_seed(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def reproducible(threads: int, deterministic: bool) -> Iterator[None]:
    """Fix torch's threads (0: leave them) and hold it to deterministic operations while the block runs."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS refuses in deterministic mode
    memory.fill_uninitialized_memory = False  # costs time and only changes what no one reads
    torch.use_deterministic_algorithms(deterministic)
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        memory.fill_uninitialized_memory = fill


def generator_states(device: torch.device) -> dict[str, Any]:
    """Return the states of the global generators of Python, NumPy, torch and, on a GPU, the device."""
    numpy: dict[str, Any] = np.random.get_state(legacy=False)
    states = {
        "python": random.getstate(),
        "numpy": numpy | {"state": {"key": numpy["state"]["key"].tolist(), "pos": int(numpy["state"]["pos"])}},
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_generators(states: dict[str, Any], device: torch.device) -> None:
    """Put the global generators back into the states that `generator_states` returned."""
    random.setstate(states["python"])
    key = np.array(states["numpy"]["state"]["key"], dtype=np.uint32)
    np.random.set_state(states["numpy"] | {"state": states["numpy"]["state"] | {"key": key}})
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
