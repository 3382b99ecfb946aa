"""All figures together, and the table of labels."""

import numpy as np
import pytest
from hypothesis import given

from tests.training.metrics.matrices import Case, cases
from training.metrics.classification import DEFINITIONS, measure
from training.metrics.per_label import per_label


@given(cases())
def test_no_figure_is_ever_nan(case: Case) -> None:
    truth, scores = case
    found = measure(truth, scores, scores >= 0.5)
    assert set(DEFINITIONS) <= set(found)
    assert all(np.isfinite(value) for value in found.values())


def test_a_perfect_classifier_has_perfect_figures() -> None:
    truth = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
    found = measure(truth, truth.astype(np.float32), truth)
    assert all(found[name] == 1 for name in found if name.startswith(("f1", "precision", "recall")))
    assert (found["lrap"], found["auc_macro"], found["subset_accuracy"]) == (1, 1, 1)
    assert (found["hamming_loss"], found["ece"], found["brier"]) == (0, 0, 0)


def test_shapes_that_differ_are_refused() -> None:
    truth = np.zeros((3, 2), dtype=bool)
    with pytest.raises(ValueError, match="differ in shape"):
        measure(truth, np.zeros((3, 3), dtype=np.float32), truth)


def test_the_table_counts_each_label() -> None:
    truth = np.array([[1, 0], [1, 0], [0, 0]], dtype=bool)
    scores = np.array([[0.9, 0.8], [0.2, 0.1], [0.3, 0.1]], dtype=np.float32)
    first, second = per_label(truth, scores, scores >= [0.5, 0.7], ["a", "b"], [0.5, 0.7])
    assert (first.support, first.assigned, first.precision, first.recall) == (2, 1, 1.0, 0.5)
    assert first.f1 == pytest.approx(2 / 3)
    assert first.auc == pytest.approx(0.5)
    assert (second.support, second.assigned, second.f1, second.threshold) == (0, 1, 0.0, 0.7)
    assert second.average_precision is None
    assert second.auc is None
