from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.errors import BundleError
from bundle.index_files import HNSW_CONFIG_FILE, HNSW_FILE, HnswConfig
from export.hnsw import write_hnsw
from serving.index import hnsw
from serving.index.hnsw import HnswIndex
from serving.index.rows import NOTHING, Positions, Wanted, make_row
from tests.serving.index.searching import Vectors, brute_force, listed, positions, unit

ITEMS, DIMENSIONS = 2000, 16


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return unit(np.random.default_rng(0), ITEMS, DIMENSIONS)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, vectors: Vectors) -> Path:
    root = tmp_path_factory.mktemp("hnsw")
    write_hnsw(root, vectors, queries=unit(np.random.default_rng(2), 300, DIMENSIONS), threads=1)
    return root


@pytest.fixture(scope="module")
def index(root: Path, vectors: Vectors) -> HnswIndex:
    return HnswIndex(root, HNSW_FILE, vectors, lanes=2)


def overlap(index: HnswIndex, vectors: Vectors, wanted: Wanted) -> float:
    """Share of the exact answer that is found, whose length and scores have to be right in any case."""
    row = make_row(wanted.query, wanted.depth, wanted.excluded, wanted.allowed)
    found, scores = listed(index.compute([row], alone=True).outputs[0], wanted.depth)
    expected, _ = brute_force(vectors, wanted)
    assert len(set(found)) == len(found) == len(expected)
    assert not set(found) & set(wanted.excluded.tolist())
    assert wanted.allowed is None or set(found) <= set(wanted.allowed.tolist())
    np.testing.assert_allclose(scores, vectors[found] @ wanted.query, atol=1e-6)
    assert scores == sorted(scores, reverse=True)
    return len(set(found) & set(expected)) / max(len(expected), 1)


def test_nearly_all_of_the_best_are_found(index: HnswIndex, vectors: Vectors) -> None:
    queries = unit(np.random.default_rng(1), 50, DIMENSIONS)
    shares = [overlap(index, vectors, Wanted(query, 20, NOTHING, None)) for query in queries]
    assert np.mean(shares) >= 0.97


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([1, 20, ITEMS + 1]), st.sampled_from([None, 0.01, 0.5]))
def test_as_many_come_back_as_there_are_whatever_is_excluded(
    index: HnswIndex, vectors: Vectors, seed: int, depth: int, share: float | None
) -> None:
    rng = np.random.default_rng(seed)
    query = unit(rng, 1, DIMENSIONS)[0]
    nearest = np.argsort(-(vectors @ query))[: rng.choice([0, 5, 300, ITEMS])]
    allowed: Positions | None = None if share is None else np.flatnonzero(rng.random(ITEMS) < share)
    overlap(index, vectors, Wanted(query, depth, nearest, allowed))


def test_a_filter_against_which_candidates_run_dry_is_answered_exactly(
    index: HnswIndex, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hnsw, "FEW", 0)
    query = vectors[0]
    farthest = np.sort(np.argsort(vectors @ query)[: ITEMS // 2])
    for most in (ITEMS // 3, 10 * ITEMS):
        monkeypatch.setattr(hnsw, "MOST_FETCHED", most)
        assert overlap(index, vectors, Wanted(query, 20, NOTHING, farthest)) == 1.0


def test_rows_of_a_batch_are_answered_as_alone(index: HnswIndex, vectors: Vectors) -> None:
    rng = np.random.default_rng(3)
    rows = [make_row(query, 20, rng.integers(0, ITEMS, 10)) for query in unit(rng, 6, DIMENSIONS)]
    rows += [make_row(vectors[5], 20, NOTHING, positions([7, 9])), make_row(vectors[6], 400)]
    together = index.compute(rows, alone=False).outputs
    for row, output in zip(rows, together, strict=True):
        alone = index.compute([row], alone=True).outputs[0]
        assert np.array_equal(output[:, : alone.shape[1]], alone)


def test_vectors_of_unlike_lengths_are_ranked_by_their_products(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    vectors = unit(rng, ITEMS, DIMENSIONS) * rng.lognormal(0, 0.7, (ITEMS, 1)).astype(np.float32)
    metric = write_hnsw(tmp_path, vectors, queries=unit(rng, 60, DIMENSIONS), threads=1)
    index = HnswIndex(tmp_path, HNSW_FILE, vectors, lanes=1)
    shares = [overlap(index, vectors, Wanted(query, 20, NOTHING, None)) for query in unit(rng, 50, DIMENSIONS)]
    assert metric.value >= 0.98
    assert np.mean(shares) >= 0.97


def test_a_query_that_is_not_finite_is_told_by_its_scores(index: HnswIndex) -> None:
    row = make_row(np.full(DIMENSIONS, np.nan, dtype=np.float32), 5)
    assert np.isnan(index.compute([row], alone=True).outputs.sum())


@pytest.mark.parametrize("file", [HNSW_FILE, HNSW_CONFIG_FILE])
@pytest.mark.parametrize("spoil", ["missing", "cut", "other"])
def test_an_index_that_is_damaged_is_refused_and_named(
    root: Path, vectors: Vectors, tmp_path: Path, file: str, spoil: str
) -> None:
    (tmp_path / "index").mkdir()
    for name in (HNSW_FILE, HNSW_CONFIG_FILE):
        content = (root / name).read_bytes()
        if name == file:
            content = {"missing": b"", "cut": content[: len(content) // 2], "other": b"x" * len(content)}[spoil]
        if content:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(BundleError, match=file):
        HnswIndex(tmp_path, HNSW_FILE, vectors, lanes=1)


def test_an_index_over_other_vectors_is_refused(root: Path, vectors: Vectors) -> None:
    for others in (vectors[:-1], vectors[:, :-1]):
        with pytest.raises(BundleError, match="not over the vectors of this catalogue"):
            HnswIndex(root, HNSW_FILE, others, lanes=1)


def test_what_is_written_tells_its_recall_and_how(tmp_path: Path, vectors: Vectors) -> None:
    metric = write_hnsw(tmp_path, vectors, threads=1)
    config = HnswConfig.model_validate_json((tmp_path / HNSW_CONFIG_FILE).read_bytes())
    assert metric.name == "recall@20"
    assert 0.98 <= metric.value <= 1
    assert metric.protocol == f"against exact search, 500 means of two items, expansion {config.expansion}"
    assert (config.items, config.dimensions) == (ITEMS, DIMENSIONS)
