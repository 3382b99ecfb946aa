"""Random truth and scores, with empty rows, empty columns and ties."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Case = tuple[NDArray[np.bool_], NDArray[np.float32]]


@st.composite
def cases(draw: st.DrawFn, most_rows: int = 40, most_labels: int = 8) -> Case:
    """Draw truth and scores [rows, labels]; scores are coarse, for ties, and stay off 0 and 1."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, labels = draw(st.integers(1, most_rows)), draw(st.integers(1, most_labels))
    share = draw(st.sampled_from([0.0, 0.05, 0.3, 0.9, 1.0]))
    steps = draw(st.sampled_from([3, 20, 100_000]))
    truth = rng.random((rows, labels)) < share
    scores = rng.integers(1, steps, (rows, labels)) / steps
    truth[rng.random(rows) < draw(st.sampled_from([0.0, 0.3]))] = False
    truth[:, rng.random(labels) < draw(st.sampled_from([0.0, 0.3]))] = False
    return truth, scores.astype(np.float32)
