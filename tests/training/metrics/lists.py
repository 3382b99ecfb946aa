"""Random ranked lists and what was held out, with short lists, empty rows and empty columns."""

import numpy as np
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from training.metrics.lists import Ranked

Case = tuple[Ranked, csr_matrix]


@st.composite
def ranked_cases(draw: st.DrawFn, most_users: int = 8, most_items: int = 30) -> Case:
    """Draw lists [users, k], each filled up with -1 from a place of its own, and held-out items [users, items]."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    users, items = draw(st.integers(1, most_users)), draw(st.integers(1, most_items))
    k = draw(st.integers(1, 25))
    top = np.full((users, k), -1, dtype=np.int32)
    for row in top:
        listed = rng.permutation(items)[: rng.integers(0, k + 1)]
        row[: len(listed)] = listed
    held_out = rng.random((users, items)) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    return top, csr_matrix(held_out)
