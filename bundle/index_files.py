"""What export writes an index under and serving finds it by."""

from bundle.manifest import Strict

EXACT_FILE = "index/exact.onnx"
"""The graph that scores all items and picks the best."""
HNSW_FILE = "index/items.hnsw"
"""The graph of neighbours, as faiss writes it, with the items' vectors in half precision."""
HNSW_CONFIG_FILE = "index/hnsw.json"

QUERIES, ITEMS, EXCLUDED, DEPTH, FOUND = "queries", "items", "excluded", "depth", "found"
"""Inputs and the output of the exact graph."""


class HnswConfig(Strict):
    """How a graph of neighbours is to be searched."""

    items: int
    dimensions: int
    expansion: int
    """Candidates that a search keeps: the fewest that reached the recall which the manifest states."""


def fetched(depth: int) -> int:
    """Return how many candidates a search for `depth` items takes out, to be scored again in full precision."""
    return depth + depth // 4 + 16
