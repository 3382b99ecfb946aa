"""Lots that depend on names and a seed alone: not on the order of rows, nor on what else is in the data."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Lots = NDArray[np.uint64]
"""Evenly distributed over all 64-bit numbers."""


def lots_of(names: Sequence[str], seed: int) -> Lots:
    """Return the lot of each name. [names]"""
    digests = b"".join(blake2b(f"{seed}\0{name}".encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def mixed(a: Lots, b: Lots) -> Lots:
    """Return the lots of pairs, by the finaliser of SplitMix64 (Steele, Lea, Flood 2014); (a, b) is not (b, a)."""
    z = a * np.uint64(0x9E3779B97F4A7C15) + b  # wraps around, as unsigned arrays do
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def shares(lots: Lots) -> NDArray[np.float64]:
    """Return lots as numbers in [0, 1)."""
    return (lots >> np.uint64(11)).astype(np.float64) * 2.0**-53
