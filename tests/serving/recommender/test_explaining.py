from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bundle.catalogue import Catalogue
from features.records import Book
from serving.recommender.answers import Nearest, ScoreParts, Shared
from serving.recommender.explaining import MOST_GROUNDS, MOST_SHARED, Explainer, Grounds, unit
from tests.serving.index.searching import positions

VECTORS = np.array([[1, 0], [0, 2], [3, 3], [0, 0], [-1, 0]], dtype=np.float32)
RECORDS: list[dict[str, Any]] = [
    {"id": "a", "title": "Alpha", "author": "Ann", "tags": ["War", "Sea", "Old"]},
    {"id": "b", "title": "Beta", "author": "Bob", "tags": []},
    {"id": "c", "title": "Gamma", "author": "ann", "tags": ["old", "new", "WAR"]},
    {"id": "d", "title": ""},
    {"id": "e", "title": "Eps", "author": "Bob", "tags": ["war"]},
]
POPULARITY = np.array([6, 1, 3, 0, 0], dtype=np.float32)
SHARES: NDArray[np.float32] = POPULARITY / np.float32(10)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    root: Path = tmp_path_factory.mktemp("explaining")
    Catalogue.write(root, list("abcde"), VECTORS, RECORDS, ["author", "tags"], POPULARITY)
    return Catalogue.read(root)


def scores(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_the_nearest_ground_is_the_one_with_the_largest_cosine(catalogue: Catalogue) -> None:
    query = np.array([2, 0], dtype=np.float32)
    explainer = Explainer(catalogue, SHARES, Grounds(positions([1, 0])), query)
    [first, second] = explainer.explain(positions([2, 4]), scores(6, -2))
    assert isinstance(first[0], Nearest)
    assert (first[0].id, first[0].title) == ("b", "Beta")
    assert float(first[0].similarity) == pytest.approx(2**-0.5)
    assert isinstance(second[0], Nearest)
    assert (second[0].id, float(second[0].similarity)) == ("b", 0)
    assert second[1] == Shared("author", ("Bob",))


def test_what_the_two_share_is_told_as_the_recommended_item_writes_it(catalogue: Catalogue) -> None:
    explainer = Explainer(catalogue, SHARES, Grounds(positions([0])), None)
    [reasons] = explainer.explain(positions([2]), scores(1))
    assert reasons[1:3] == (Shared("author", ("ann",)), Shared("tags", ("old", "WAR")))


def test_the_score_is_told_with_its_cosine_and_the_popularity(catalogue: Catalogue) -> None:
    query = np.array([0, 5], dtype=np.float32)
    [[parts], [of_zero]] = Explainer(catalogue, SHARES, Grounds(), query).explain(positions([2, 3]), scores(15, 0))
    assert isinstance(parts, ScoreParts)
    told = [parts.similarity, parts.cosine, parts.popularity]
    np.testing.assert_allclose(np.array(told, dtype=np.float32), [15, 2**-0.5, 0.3], rtol=1e-6)
    assert of_zero == ScoreParts(np.float32(0), np.float32(0), np.float32(0))


def test_what_was_not_compared_has_only_its_popularity(catalogue: Catalogue) -> None:
    [[parts]] = Explainer(catalogue, SHARES, Grounds(), None).explain(positions([0]), scores(0.6))
    assert parts == ScoreParts(None, None, np.float32(0.6))


def test_a_record_that_came_with_the_request_can_be_the_nearest(catalogue: Catalogue) -> None:
    record = Book(title="Mine", author="BOB", tags=("x",))
    grounds = Grounds(positions([0]), [record], np.array([[-3, 0.1]], dtype=np.float32))
    [reasons] = Explainer(catalogue, SHARES, grounds, None).explain(positions([4]), scores(1))
    assert isinstance(reasons[0], Nearest)
    assert (reasons[0].id, reasons[0].title) == (None, "Mine")
    assert reasons[1] == Shared("author", ("Bob",))


def test_of_a_long_history_the_latest_are_looked_at(catalogue: Catalogue) -> None:
    history = positions([4, *[1] * MOST_GROUNDS])
    [reasons] = Explainer(catalogue, SHARES, Grounds(history), None).explain(positions([4]), scores(1))
    assert isinstance(reasons[0], Nearest)
    assert reasons[0].id == "b"


def test_of_many_shared_values_a_few_are_told(tmp_path: Path) -> None:
    tags = [f"t{number}" for number in range(40)]
    records = [{"id": name, "tags": tags} for name in "ab"]
    Catalogue.write(tmp_path, ["a", "b"], VECTORS[:2], records, ["tags"], POPULARITY[:2])
    explainer = Explainer(Catalogue.read(tmp_path), SHARES[:2], Grounds(positions([0])), None)
    [reasons] = explainer.explain(positions([1]), scores(1))
    assert reasons[1] == Shared("tags", tuple(tags[:MOST_SHARED]))


def test_nothing_found_needs_no_reasons(catalogue: Catalogue) -> None:
    for grounds in (Grounds(), Grounds(positions([0]))):
        assert Explainer(catalogue, SHARES, grounds, None).explain(positions([]), scores()) == []


def test_a_vector_of_zeros_stays_as_it_is() -> None:
    assert unit(VECTORS).tolist()[3] == [0, 0]
    np.testing.assert_allclose(np.linalg.norm(unit(VECTORS[:3]), axis=1), 1, rtol=1e-6)
