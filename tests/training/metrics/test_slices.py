"""Groups by quantile: every row in one, equal counts together."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from training.metrics.slices import by_quantile, only_columns


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 6))
def test_groups_part_all_rows_by_their_counts(values: list[int], groups: int) -> None:
    counts = np.array(values, dtype=np.int64)
    found = by_quantile(counts, groups)
    assert len(found) <= groups
    places = [place for group in found for place in np.flatnonzero(group.members).tolist()]
    assert sorted(places) == list(range(len(values)))
    for group in found:
        own = counts[group.members]
        assert (group.low, group.high) == (own.min(), own.max())
    for colder, warmer in pairwise(found):
        assert colder.high < warmer.low


def test_distinct_counts_make_groups_of_equal_size() -> None:
    found = by_quantile(np.random.default_rng(0).permutation(100))
    assert [int(group.members.sum()) for group in found] == [25] * 4
    assert [group.title for group in found] == ["0-24", "25-49", "50-74", "75-99"]
    assert by_quantile(np.array([7, 7, 7]))[0].title == "7"


def test_only_some_columns_are_kept_and_the_matrix_stays_as_it_was() -> None:
    matrix = csr_matrix(np.array([[1, 1, 0], [0, 1, 1]], dtype=bool))
    found = only_columns(matrix, np.array([True, False, True]))
    assert found.toarray().astype(int).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert (found.nnz, matrix.nnz) == (2, 4)
