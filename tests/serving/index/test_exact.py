from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.bundle import Bundle
from bundle.errors import BundleError
from bundle.manifest import Provider
from export.topk import write_topk
from features.rows import FeatureRow
from serving.index.exact import GATHER_SHARE, ExactIndex
from serving.index.rows import DEPTHS_PER_TOKEN, NOTHING, Positions, Wanted, make_row, read_row
from serving.settings import Engine
from tests.serving.index.searching import brute_force, integers, listed, open_exact, positions, unit
from tests.tiny import GRAPH_FILE

DIMENSIONS = 5


@st.composite
def searches(draw: st.DrawFn, items: int) -> FeatureRow:
    """A search over so many items: any depth, exclusions with repetitions, perhaps a filter."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    excluded = draw(st.sampled_from([0, items // 2, 4 * items]))
    allowed: Positions | None = None
    if draw(st.booleans()):
        share = draw(st.sampled_from([0.02, 0.3, 1.0]))
        allowed = np.flatnonzero(rng.random(items) < share)
    depth = draw(st.sampled_from([1, 3, items, items + 7, 2 * DEPTHS_PER_TOKEN + 1]))
    return make_row(integers(rng, 1, DIMENSIONS)[0], depth, rng.integers(0, items, excluded), allowed)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_it_finds_what_sorting_everything_finds(data: st.DataObject) -> None:
    items = data.draw(st.sampled_from([1, 2, 17, 150]))
    vectors = integers(np.random.default_rng(items), items, DIMENSIONS)
    rows = data.draw(st.lists(searches(items), min_size=1, max_size=6))
    with TemporaryDirectory() as folder:
        index = open_exact(Path(folder), vectors)
        together = index.compute(rows, alone=False)
        for row, output in zip(rows, together.outputs, strict=True):
            wanted = read_row(row)
            expected = brute_force(vectors, wanted)
            assert listed(output, wanted.depth) == expected
            assert listed(index.compute([row], alone=True).outputs[0], wanted.depth) == expected


def test_scores_of_floats_are_those_of_numpy_alone_and_in_a_batch(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors, queries = unit(rng, 3000, 32), unit(rng, 9, 32)
    index = open_exact(tmp_path, vectors, threads=2)
    rows = [make_row(query, 20, rng.integers(0, 3000, 50 * at)) for at, query in enumerate(queries)]
    together = index.compute(rows, alone=False).outputs  # [9, 2, 20]
    for row, output in zip(rows, together, strict=True):
        wanted = read_row(row)
        expected, scores = brute_force(vectors, wanted)
        for found in (output, index.compute([row], alone=True).outputs[0]):
            assert len(set(expected) ^ set(found[0].astype(int).tolist())) <= 2  # neighbours within rounding
            np.testing.assert_allclose(found[1], scores, atol=1e-6)


def test_equal_items_come_in_the_order_of_their_positions(tmp_path: Path) -> None:
    index = open_exact(tmp_path, np.ones((500, DIMENSIONS), dtype=np.float32))
    query = np.ones(DIMENSIONS, dtype=np.float32)
    output = index.compute([make_row(query, 5, positions([1, 3, 0]))], alone=True).outputs[0]
    assert listed(output, 5) == ([2, 4, 5, 6, 7], [5.0] * 5)


def test_nothing_comes_back_where_all_is_excluded(tmp_path: Path) -> None:
    index = open_exact(tmp_path, np.ones((40, DIMENSIONS), dtype=np.float32))
    query = np.ones(DIMENSIONS, dtype=np.float32)
    for allowed in (None, positions([3]), NOTHING, np.arange(40)):
        row = make_row(query, 3, np.arange(40), allowed)
        assert listed(index.compute([row], alone=True).outputs[0], 3) == ([], [])


@pytest.mark.parametrize("left", [6, 7, 60, 99, 100])
def test_a_filter_is_kept_whether_it_leaves_few_items_or_many(tmp_path: Path, left: int) -> None:
    vectors = integers(np.random.default_rng(left), 100, DIMENSIONS)
    allowed = np.sort(np.random.default_rng(1).choice(100, left, replace=False))
    wanted = Wanted(vectors[0], 10, allowed[:2], allowed)
    index = open_exact(tmp_path, vectors)
    output = index.compute([make_row(wanted.query, 10, wanted.excluded, allowed)], alone=True).outputs[0]
    assert (left * GATHER_SHARE < 100) == (left == 6)
    assert listed(output, 10) == brute_force(vectors, wanted)


def test_a_query_that_is_not_finite_is_told_by_its_scores_and_spoils_no_other(tmp_path: Path) -> None:
    vectors = integers(np.random.default_rng(0), 50, DIMENSIONS)
    index = open_exact(tmp_path, vectors)
    broken = np.full(DIMENSIONS, np.nan, dtype=np.float32)
    rows = [make_row(vectors[0], 5), make_row(broken, 5), make_row(broken, 5, NOTHING, positions([3]))]
    outputs = index.compute(rows, alone=False).outputs
    assert np.isfinite(outputs.sum(axis=(1, 2))).tolist() == [True, False, False]
    assert listed(outputs[0], 5) == brute_force(vectors, Wanted(vectors[0], 5, NOTHING, None))


def test_deep_searches_weigh_more() -> None:
    query = np.zeros(DIMENSIONS, dtype=np.float32)
    depths = (1, DEPTHS_PER_TOKEN, DEPTHS_PER_TOKEN + 1, 10 * DEPTHS_PER_TOKEN)
    assert [make_row(query, depth).tokens for depth in depths] == [1, 1, 2, 10]


def test_a_graph_for_something_else_is_refused(tmp_path: Path, tiny: Bundle) -> None:
    other = tmp_path / write_topk(tmp_path, DIMENSIONS + 1)
    for graph in (tiny.root / GRAPH_FILE, other):
        with pytest.raises(BundleError, match="export the bundle again"):
            ExactIndex(graph, np.zeros((3, DIMENSIONS), dtype=np.float32), Provider.CPU, 1, Engine())
