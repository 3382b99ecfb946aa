import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.data.frames import label_lists, labelled
from training.data.errors import DataError
from training.data.undersample import count_labels, undersample


@given(label_lists, st.integers(1, 40), st.integers(0, 9))
def test_a_row_with_a_label_at_or_below_the_threshold_is_kept(rows: list[list[str]], threshold: int, seed: int) -> None:
    frame = labelled(rows)
    counts = count_labels(frame)
    kept = set(undersample(frame, threshold, seed)["id"])
    rare = {
        key for key, labels in frame.iter_rows() if not labels or min(counts[label] for label in labels) <= threshold
    }
    assert rare <= kept


@given(label_lists, st.integers(0, 9))
def test_what_is_kept_is_unchanged_in_order_and_the_same_for_the_same_seed(rows: list[list[str]], seed: int) -> None:
    frame = labelled(rows)
    kept = undersample(frame, seed=seed)
    assert kept.equals(frame.filter(pl.col("id").is_in(kept["id"].to_list())))
    assert kept.equals(undersample(frame, seed=seed))


def test_a_label_on_its_own_comes_down_to_the_threshold() -> None:
    frame = labelled([["a"]] * 10_000 + [["b"]] * 500)
    counts = count_labels(undersample(frame, 1000))
    assert counts["a"] == pytest.approx(1000, abs=120)  # four standard deviations
    assert counts["b"] == 500


def test_a_row_goes_only_if_every_label_says_so() -> None:
    frame = labelled([["a", "b"]] * 10_000)
    kept = undersample(frame, 5000).height
    assert kept == pytest.approx(7500, abs=200)  # each label votes to drop with probability 1/2


def test_the_default_threshold_is_the_median_count() -> None:
    frame = labelled([["a"]] * 900 + [["b"]] * 100 + [["c"]] * 10)
    assert undersample(frame, seed=3).equals(undersample(frame, 100, seed=3))
    assert undersample(frame, seed=3).height < 300


def test_labels_are_counted_once_a_row() -> None:
    assert count_labels(labelled([["a", "a"], ["b", "a"], []])) == {"a": 2, "b": 1}


@pytest.mark.parametrize("threshold", [0, -3])
def test_a_threshold_of_no_rows_is_refused(threshold: int) -> None:
    with pytest.raises(DataError, match="above 0"):
        undersample(labelled([["a"]]), threshold)
