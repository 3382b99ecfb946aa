import json
from typing import Any

import numpy as np
import pytest

from features.labels import Label, LabelSet
from loadtests.answers import check_scores, check_vectors
from loadtests.plan import Request

LABELS = LabelSet(labels=[Label(label="a", name="A"), Label(label="b", name="B")])
ONE = [Request("{}", 1, 1)]


class Answering:
    """A server that always answers the same."""

    port = 1

    def __init__(self, item: dict[str, Any]) -> None:
        self._item = item

    def post(self, path: str, body: str) -> str:
        return json.dumps({"data": [self._item]})


def scored(**scores: float) -> Any:
    return Answering({"index": 0, "labels": [{"label": label, "score": score} for label, score in scores.items()]})


def test_an_arm_that_answers_other_vectors_is_refused() -> None:
    server: Any = Answering({"embedding": [1.0, 0.0]})
    check_vectors(server, ONE, np.array([[1.0, 0.0]], dtype=np.float32))
    with pytest.raises(ValueError, match="other vectors"):
        check_vectors(server, ONE, np.array([[0.0, 1.0]], dtype=np.float32))


def test_scores_are_compared_label_by_label_in_any_order() -> None:
    wanted = np.array([[0.25, 0.75]], dtype=np.float32)
    check_scores(scored(b=0.75, a=0.25), ONE, wanted, LABELS)
    with pytest.raises(ValueError, match="other scores"):
        check_scores(scored(a=0.75, b=0.25), ONE, wanted, LABELS)


def test_a_label_that_is_not_told_is_no_agreement() -> None:
    with pytest.raises(ValueError, match="other scores"):
        check_scores(scored(a=0.25), ONE, np.array([[0.25, 0.75]], dtype=np.float32), LABELS)
