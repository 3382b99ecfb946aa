import numpy as np
import pytest

from serving.classifying import Classified, LabelName
from serving.errors import Code, JubakoError
from serving.model import Result
from serving.recommender.answers import Item
from serving.releases.comparing import of_items, of_labels, of_vectors

BAD = JubakoError(Code.INVALID_VALUE, "bad")


def vectors(*rows: object) -> Result:
    return Result([row if isinstance(row, JubakoError) else np.array(row, np.float32) for row in rows], 1)


def classified(*rows: object, labels: str = "abc") -> Classified:
    assigned = np.array([row for row in rows if not isinstance(row, JubakoError)], dtype=bool)
    result = Result([row if isinstance(row, JubakoError) else np.zeros(3, np.float32) for row in rows], 1)
    return Classified(tuple(LabelName(name, name) for name in labels), assigned.astype(np.float32), assigned, result)


def items(ids: str) -> list[Item]:
    return [Item(name, np.float32(0)) for name in ids]


def test_vectors_are_compared_by_their_mean_cosine() -> None:
    found = of_vectors(vectors([1, 0], [0, 1], BAD), vectors([2, 0], [1, 0], [1, 1]))
    assert found is not None
    assert found.measure == "cosine"
    assert found.value == pytest.approx(0.5)


def test_vectors_of_other_lengths_cannot_be_compared() -> None:
    assert of_vectors(vectors([1, 0]), vectors([1, 0, 0])) is None
    assert of_vectors(vectors(BAD), vectors([1, 0])) is None


def test_labels_are_compared_by_name_and_not_by_place() -> None:
    answer = classified([1, 0, 0], [1, 1, 0], [0, 0, 0])
    copy = classified([0, 0, 1], [0, 0, 1], [0, 0, 0], labels="cba")
    found = of_labels(answer, copy)
    assert found is not None
    assert found.measure == "labels"
    assert found.value == pytest.approx((1 + 0.5 + 1) / 3)
    assert of_labels(classified(BAD, [1, 0, 0]), classified([1, 0, 0], BAD)) is None


def test_items_are_compared_by_their_overlap_at_k() -> None:
    assert of_items(items("abcd"), items("badz")) == ("overlap", 0.75)
    assert of_items(items("ab"), items("zzab")) == ("overlap", 0.0)
    assert of_items([], items("ab")) is None
