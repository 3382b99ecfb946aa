from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.catalogue import Catalogue
from serving.errors import Code, JubakoError
from serving.recommender.filters import MOST_VALUES, Filters, read_filters

RECORDS: list[dict[str, Any]] = [
    {"id": "0", "author": "Ann", "tags": ["War", "Sea  Story"]},
    {"id": "1", "author": "Bob", "tags": ["war"]},
    {"id": "2", "author": "Bob", "tags": ["poetry", "war"]},
    {"id": "3", "author": "Cy", "tags": [], "year": 1999},
    {"id": "4"},
]
FIELDS = ["author", "tags", "year"]
AUTHORS, TAGS = ["ann", "bob", "cy", "nobody"], ["war", "poetry", "sea story", "nothing"]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    root: Path = tmp_path_factory.mktemp("filters")
    ids = [record["id"] for record in RECORDS]
    Catalogue.write(root, ids, np.eye(5, dtype=np.float32), RECORDS, FIELDS, np.zeros(5, dtype=np.float32))
    return Catalogue.read(root)


@pytest.mark.parametrize(
    ("filters", "allowed"),
    [
        ({"required": {"tags": "war"}}, [0, 1, 2]),
        ({"required": {"tags": ["war", "poetry"]}}, [2]),
        ({"required": {"tags": "war", "author": "bob"}}, [1, 2]),
        ({"excluded": {"tags": "war"}}, [3, 4]),
        ({"excluded": {"tags": "poetry", "author": ["ann", "cy"]}}, [1, 4]),
        ({"any": {"tags": ["poetry", "sea story"]}}, [0, 2]),
        ({"any": {"tags": ["poetry", "sea story"], "author": ["ann", "cy"]}}, [0]),
        ({"required": {"tags": "war"}, "excluded": {"author": "ann"}, "any": {"tags": ["poetry", "x"]}}, [2]),
        ({"any": {"author": ["ann", "bob"]}, "excluded": {"author": "bob"}}, [0]),
        ({"required": {"year": 1999}}, [3]),
        ({"required": {"tags": " SEA story "}}, [0]),
        ({"required": {"author": "nobody"}}, []),
        ({"excluded": {"author": "nobody"}}, [0, 1, 2, 3, 4]),
    ],
)
def test_conditions_leave_what_meets_them_all(catalogue: Catalogue, filters: object, allowed: list[int]) -> None:
    found = read_filters(filters).allowed(catalogue)
    assert found is not None
    assert found.tolist() == allowed


@pytest.mark.parametrize("nothing", [None, {}, {"required": {}}, {"any": None, "excluded": {}}])
def test_without_conditions_everything_is_allowed(catalogue: Catalogue, nothing: object) -> None:
    assert read_filters(nothing).allowed(catalogue) is None


def test_an_unknown_field_is_answered_with_the_known_ones(catalogue: Catalogue) -> None:
    with pytest.raises(JubakoError, match="author, tags, year") as caught:
        read_filters({"any": {"genre": "war"}}).allowed(catalogue)
    assert (caught.value.code, caught.value.param) == (Code.INVALID_VALUE, "filters.any.genre")


@pytest.mark.parametrize(
    ("filters", "param", "told"),
    [
        ([], "filters", "an object with required, excluded, any, not a list"),
        ("war", "filters", "an object"),
        ({"require": {}}, "filters.require", "required, excluded, any"),
        ({"required": ["war"]}, "filters.required", "an object of fields"),
        ({"required": "war"}, "filters.required", "an object of fields"),
        ({"required": {"tags": None}}, "filters.required.tags", "not null"),
        ({"required": {"tags": True}}, "filters.required.tags", "not a boolean"),
        ({"required": {"tags": 1.5}}, "filters.required.tags", "not a number"),
        ({"any": {"tags": {"war": 1}}}, "filters.any.tags", "not an object"),
        ({"any": {"tags": ["war", ["sea"]]}}, "filters.any.tags", "not a list"),
        ({"any": {"tags": []}}, "filters.any.tags", "at least one"),
        ({"excluded": {"tags": "  "}}, "filters.excluded.tags", "blank"),
        ({"required": {"tags": "War"}, "excluded": {"tags": ["x", "wAr"]}}, "filters.excluded.tags", "both"),
        ({"any": {"tags": ["a", "b"]}, "excluded": {"tags": ["B", "c", "A"]}}, "filters.excluded.tags", "every value"),
    ],
)
def test_what_cannot_be_meant_is_refused(filters: object, param: str, told: str) -> None:
    with pytest.raises(JubakoError, match=told) as caught:
        read_filters(filters)
    assert (caught.value.code, caught.value.param) == (Code.INVALID_VALUE, param)


def test_very_many_values_are_too_large() -> None:
    values = [f"t{number}" for number in range(MOST_VALUES)]
    assert len(read_filters({"any": {"tags": values}}).any["tags"]) == MOST_VALUES
    with pytest.raises(JubakoError) as caught:
        read_filters({"any": {"tags": values}, "excluded": {"tags": "x"}})
    assert caught.value.code is Code.TOO_LARGE


some_values = st.fixed_dictionaries(
    {},
    optional={
        "author": st.lists(st.sampled_from(AUTHORS), min_size=1, max_size=2, unique=True),
        "tags": st.lists(st.sampled_from(TAGS), min_size=1, max_size=3, unique=True),
    },
)


@given(required=some_values, excluded=some_values, some=some_values)
def test_an_item_is_allowed_exactly_where_its_values_say_so(
    catalogue: Catalogue, required: dict[str, Any], excluded: dict[str, Any], some: dict[str, Any]
) -> None:
    filters = Filters(required, excluded, some)
    found = filters.allowed(catalogue)
    assert (found is None) == (not required and not excluded and not some)
    if found is None:
        return
    for position, record in enumerate(RECORDS):
        has = {
            "author": {record.get("author", "").lower()},
            "tags": {" ".join(tag.lower().split()) for tag in record.get("tags", [])},
        }
        allowed = (
            all(set(values) <= has[field] for field, values in required.items())
            and not any(set(values) & has[field] for field, values in excluded.items())
            and all(set(values) & has[field] for field, values in some.items())
        )
        assert allowed == (position in found)
