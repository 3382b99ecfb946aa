"""Averages of precision, recall and F1 against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import precision_recall_fscore_support

from tests.training.metrics.matrices import Case, cases
from training.metrics.arrays import as_truth
from training.metrics.averages import KINDS, averages, macro_f1, micro_f1


@given(cases())
def test_every_average_agrees_with_scikit_learn(case: Case) -> None:
    truth, scores = case
    assigned = scores >= 0.5
    found = averages(truth, assigned)
    names = {"micro": "micro", "macro_all": "macro", "weighted": "weighted", "samples": "samples"}
    for ours, theirs in names.items():
        # One column would be taken for a binary problem, which has no averages over samples.
        padded = [np.column_stack([part, np.zeros(len(part), dtype=bool)]) for part in (truth, assigned)]
        wanted = precision_recall_fscore_support(*padded, average=theirs, zero_division=0)[:3]
        scale = padded[0].shape[1] / truth.shape[1] if theirs == "macro" else 1
        for kind, value in zip(KINDS, wanted, strict=True):
            assert found[f"{kind}_{ours}"] == pytest.approx(value * scale), (kind, ours)


@given(cases())
def test_macro_leaves_out_labels_that_do_not_occur(case: Case) -> None:
    truth, scores = case
    assigned, present = scores >= 0.5, truth.any(axis=0)
    found = averages(truth, assigned)
    assert found["f1_macro"] == pytest.approx(macro_f1(truth, assigned))
    assert found["f1_micro"] == pytest.approx(micro_f1(truth, assigned))
    if present.any():
        assert found["f1_macro"] == pytest.approx(averages(truth[:, present], assigned[:, present])["f1_macro_all"])
    else:
        assert found["f1_macro"] == 0


def test_nothing_there_and_nothing_given_counts_as_zero_not_as_nan() -> None:
    nothing = np.zeros((3, 2), dtype=bool)
    assert set(averages(nothing, nothing).values()) == {0.0}
    assert set(averages(nothing[:0], nothing[:0]).values()) == {0.0}


def test_labels_of_any_0_1_type_are_taken_and_others_refused() -> None:
    assert as_truth(np.array([[0, 1]], dtype=np.int8)).tolist() == [[False, True]]
    with pytest.raises(ValueError, match="0 or 1"):
        as_truth(np.array([[0, 2]]))
    with pytest.raises(ValueError, match="matrix"):
        as_truth(np.array([0, 1]))
