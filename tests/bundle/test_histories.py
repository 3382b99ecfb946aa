import json
from pathlib import Path

import numpy as np
import pytest

from bundle.errors import BundleError
from bundle.histories import HISTORIES_FILE, USERS_FILE, Histories

USERS = ["ann", "bob", "cy"]
STARTS = np.array([0, 3, 3, 5])
POSITIONS = np.array([4, 0, 2, 1, 4])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Histories.write(tmp_path, USERS, STARTS, POSITIONS)
    return tmp_path


def read_lists(histories: Histories) -> list[list[int] | None]:
    found = [histories.of(user) for user in (*USERS, "eve")]
    return [None if each is None else each.tolist() for each in found]


def test_each_user_gets_what_it_has_read_in_order(root: Path) -> None:
    histories = Histories.read(root, items=5)
    assert len(histories) == 3
    assert read_lists(histories) == [[4, 0, 2], [], [1, 4], None]
    ann = histories.of("ann")
    assert ann is not None
    assert ann.dtype == np.int64


def test_nobody_is_known_where_nobody_was(tmp_path: Path) -> None:
    Histories.write(tmp_path, [], np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert read_lists(Histories.read(tmp_path, items=0)) == [None] * 4


def test_a_history_beyond_the_catalogue_is_refused(root: Path) -> None:
    with pytest.raises(BundleError, match=r"histories\.npz: names items beyond the 4"):
        Histories.read(root, items=4)


@pytest.mark.parametrize(
    ("users", "starts", "positions"),
    [
        (USERS[:2], STARTS, POSITIONS),
        (["ann", "bob", "bob"], STARTS, POSITIONS),
        (USERS, STARTS, POSITIONS[:4]),
        (USERS, np.array([0, 4, 3, 5]), POSITIONS),
        (USERS, np.array([1, 3, 3, 5]), POSITIONS),
    ],
)
def test_what_does_not_fit_together_is_not_written(
    tmp_path: Path, users: list[str], starts: np.ndarray, positions: np.ndarray
) -> None:
    with pytest.raises(BundleError):
        Histories.write(tmp_path, users, starts, positions)


@pytest.mark.parametrize("file", [HISTORIES_FILE, USERS_FILE])
def test_a_missing_or_cut_file_is_named(root: Path, file: str) -> None:
    content = (root / file).read_bytes()
    (root / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=file):
        Histories.read(root, items=5)
    (root / file).unlink()
    with pytest.raises(BundleError, match=file):
        Histories.read(root, items=5)


def test_users_and_histories_of_two_exports_are_refused(root: Path) -> None:
    (root / USERS_FILE).write_text(json.dumps(USERS[:2]))
    with pytest.raises(BundleError, match="3 histories for 2 users"):
        Histories.read(root, items=5)


@pytest.mark.parametrize(
    "arrays",
    [
        {"starts": STARTS},
        {"starts": STARTS, "positions": POSITIONS},
        {"starts": STARTS.astype(np.int32), "positions": POSITIONS.astype(np.int32)},
        {"starts": np.array([{}] * 4, dtype=object), "positions": POSITIONS.astype(np.int32)},
    ],
)
def test_arrays_of_another_kind_are_refused(root: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(root / HISTORIES_FILE, **arrays)  # type: ignore[arg-type]
    with pytest.raises(BundleError, match=HISTORIES_FILE):
        Histories.read(root, items=5)
