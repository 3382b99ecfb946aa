"""A small catalogue, the indexes over it, and the search that every other one has to agree with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.catalogue import Catalogue
from bundle.manifest import Provider
from export.topk import write_topk
from serving.index.exact import ExactIndex
from serving.index.rows import Positions, Wanted
from serving.settings import Engine

Vectors = NDArray[np.float32]
Listed = tuple[list[int], list[float]]


def brute_force(vectors: Vectors, wanted: Wanted) -> Listed:
    """Sort everything that may come back by score and position."""
    scores = vectors.astype(np.float64) @ wanted.query
    left = set(range(len(vectors)) if wanted.allowed is None else wanted.allowed.tolist())
    left -= set(wanted.excluded.tolist())
    order = sorted(left, key=lambda at: (-scores[at], at))[: wanted.depth]
    return order, [float(scores[at]) for at in order]


def listed(output: NDArray[np.float32], depth: int) -> Listed:
    """Take an output row apart and check that what follows the found items is blank."""
    found = int((output[0] >= 0).sum())
    assert (output[0, found:] == -1).all()
    assert (output[1, found:] == 0).all()
    return output[0, :found].astype(int).tolist()[:depth], output[1, :found].tolist()[:depth]


def open_exact(root: Path, vectors: Vectors, threads: int = 1) -> ExactIndex:
    return ExactIndex(root / write_topk(root, vectors.shape[1]), vectors, Provider.CPU, threads, Engine())


def write_catalogue(root: Path, vectors: Vectors) -> Catalogue:
    ids = [f"i{position}" for position in range(len(vectors))]
    records = [{"id": name, "title": f"Title of {name}"} for name in ids]
    Catalogue.write(root, ids, vectors, records, [], np.zeros(len(ids), dtype=np.float32))
    return Catalogue.read(root)


def integers(rng: np.random.Generator, rows: int, dimensions: int) -> Vectors:
    """Vectors of small integers: products are exact in any order of summation, and ties abound."""
    return rng.integers(-2, 3, (rows, dimensions)).astype(np.float32)


def unit(rng: np.random.Generator, rows: int, dimensions: int) -> Vectors:
    """Vectors on the sphere, near a few directions, as an encoder's are."""
    centres = rng.normal(size=(8, dimensions))
    drawn = centres[rng.integers(0, 8, rows)] + 0.7 * rng.normal(size=(rows, dimensions))
    vectors: Vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return vectors


def positions(values: Sequence[int]) -> Positions:
    return np.array(values, dtype=np.int64)
