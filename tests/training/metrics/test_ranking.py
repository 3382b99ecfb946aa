"""LRAP, average precision and AUC against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from sklearn import metrics

from tests.training.metrics.matrices import Case, cases
from training.metrics import ranking
from training.metrics.ranking import average_precision, lrap, roc_auc, row_precisions


@given(cases())
def test_lrap_agrees_with_scikit_learn(case: Case) -> None:
    truth, scores = case
    wanted = metrics.label_ranking_average_precision_score(truth, scores) if truth.shape[1] > 1 else 1.0
    assert lrap(truth, scores) == pytest.approx(wanted)


@given(cases())
def test_average_precision_and_auc_agree_with_scikit_learn_where_defined(case: Case) -> None:
    truth, scores = case
    for labels, column in zip(truth.T, scores.T, strict=True):
        precision, auc = average_precision(labels, column), roc_auc(labels, column)
        assert (precision is None) == (not labels.any())
        assert (auc is None) == (labels.all() or not labels.any())
        if precision is not None:
            assert precision == pytest.approx(metrics.average_precision_score(labels, column))
        if auc is not None:
            assert auc == pytest.approx(metrics.roc_auc_score(labels, column))


def test_lrap_in_blocks_equals_lrap_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.random((50, 6)) < 0.3, rng.random((50, 6)).astype(np.float32)
    at_once = row_precisions(truth, scores)
    monkeypatch.setattr(ranking, "CELLS", 100)
    np.testing.assert_array_equal(row_precisions(truth, scores), at_once)
