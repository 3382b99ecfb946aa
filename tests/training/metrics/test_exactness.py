"""Hamming loss and subset accuracy against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from sklearn import metrics

from tests.training.metrics.matrices import Case, cases
from training.metrics.exactness import hamming_loss, subset_accuracy


@given(cases())
def test_both_agree_with_scikit_learn(case: Case) -> None:
    truth, scores = case
    assigned = scores >= 0.5
    padded = [np.column_stack([part, np.zeros(len(part), dtype=bool)]) for part in (truth, assigned)]
    wider = padded[0].shape[1] / truth.shape[1]
    assert hamming_loss(truth, assigned) == pytest.approx(metrics.hamming_loss(*padded) * wider)
    assert subset_accuracy(truth, assigned) == pytest.approx(metrics.accuracy_score(*padded))
