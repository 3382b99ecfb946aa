from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from bundle.index_files import DEPTH, EXACT_FILE, EXCLUDED, FOUND, ITEMS, QUERIES
from export.topk import write_topk

ITEMS_BY_COLUMN = np.array([[3, 1, 2, 3, 0], [0, 1, 0, 0, 1]], dtype=np.float32)  # [dimensions, items]


@pytest.fixture
def session(tmp_path: Path) -> ort.InferenceSession:
    return ort.InferenceSession(tmp_path / write_topk(tmp_path, 2), providers=["CPUExecutionProvider"])


def found(
    session: ort.InferenceSession, queries: list[list[float]], pairs: list[list[int]], depth: int
) -> NDArray[np.float32]:
    feed = {
        QUERIES: np.array(queries, dtype=np.float32),
        ITEMS: ITEMS_BY_COLUMN,
        EXCLUDED: np.array(pairs, dtype=np.int64).reshape(-1, 2),
        DEPTH: np.array([depth], dtype=np.int64),
    }
    return np.asarray(session.run([FOUND], feed)[0])


def test_positions_lie_over_scores_best_first_and_ties_by_position(session: ort.InferenceSession) -> None:
    expected = [[[0, 3, 2], [3, 3, 2]], [[1, 4, 0], [1, 1, 0]]]
    assert found(session, [[1, 0], [0, 1]], [], 3).tolist() == expected


def test_exclusions_count_for_their_row_alone(session: ort.InferenceSession) -> None:
    answer = found(session, [[1, 0], [1, 0]], [[1, 0], [1, 3], [1, 0]], 2)
    assert answer.tolist() == [[[0, 3], [3, 3]], [[2, 1], [2, 1]]]


def test_places_that_cannot_be_filled_are_blank(session: ort.InferenceSession) -> None:
    everything_but_two = [[0, position] for position in (0, 1, 3, 4)]
    assert found(session, [[1, 0]], everything_but_two, 9).tolist() == [[[2, -1, -1, -1, -1], [2, 0, 0, 0, 0]]]


def test_what_is_not_finite_stays_visible(session: ort.InferenceSession) -> None:
    assert np.isnan(found(session, [[np.nan, 0]], [], 2)[0, 1]).all()


def test_the_graph_is_valid_small_and_holds_no_items(tmp_path: Path) -> None:
    path = tmp_path / write_topk(tmp_path, 128)
    assert path == tmp_path / EXACT_FILE
    onnx.checker.check_model(str(path), full_check=True)
    assert path.stat().st_size < 4096
