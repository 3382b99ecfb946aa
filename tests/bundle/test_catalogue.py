import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.catalogue import IDS_FILE, MAX_ITEMS, POPULARITY_FILE, VECTORS_FILE, Catalogue
from bundle.errors import BundleError
from bundle.facets import FACETS_FILE, Facets, normal, values_in
from bundle.lines import LINES_FILE, OFFSETS_FILE

IDS = ["b1", "b2", "b3", "b4"]
RECORDS: list[dict[str, Any]] = [
    {"id": "b1", "title": "Emma", "author": "Jane  Austen", "year": 1815, "tags": {"genre": ["Romance", "classic"]}},
    {"id": "b2", "title": "Дубровский", "author": "Пушкин", "year": 1841.0, "tags": {"genre": ["CLASSIC"]}},
    {"id": "b3", "title": "", "author": ["JANE AUSTEN", "Another Lady"], "tags": {"genre": []}},
    {"id": "b4", "year": None, "tags": None, "read": True},
]
FIELDS = ["author", "year", "tags.genre", "read"]
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)
POPULARITY = np.array([5, 0, 2, 1], dtype=np.float32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Catalogue.write(tmp_path, IDS, VECTORS, RECORDS, FIELDS, POPULARITY)
    return tmp_path


def test_what_is_written_is_read(root: Path) -> None:
    catalogue = Catalogue.read(root)
    assert len(catalogue) == 4
    assert catalogue.ids == tuple(IDS)
    assert catalogue.dimensions == 3
    assert isinstance(catalogue.vectors, np.memmap)
    np.testing.assert_array_equal(catalogue.vectors, VECTORS)
    np.testing.assert_array_equal(catalogue.popularity, POPULARITY)
    assert [catalogue.record_of(position) for position in range(4)] == RECORDS
    assert catalogue.fields == tuple(FIELDS)


def test_items_are_found_by_their_ids(root: Path) -> None:
    catalogue = Catalogue.read(root)
    assert [catalogue.position_of(name) for name in (*IDS, "b5", "")] == [0, 1, 2, 3, None, None]
    assert [catalogue.title_of(position) for position in range(4)] == ["Emma", "Дубровский", None, None]


@pytest.mark.parametrize(
    ("field", "value", "positions"),
    [
        ("author", "jane austen", [0, 2]),
        ("author", " Jane\tAUSTEN ", [0, 2]),
        ("author", "ПУШКИН", [1]),
        ("author", "another lady", [2]),
        ("author", "nobody", []),
        ("year", "1841", [1]),
        ("tags.genre", "classic", [0, 1]),
        ("read", "true", [3]),
    ],
)
def test_facets_find_values_however_they_are_written(root: Path, field: str, value: str, positions: list[int]) -> None:
    found = Catalogue.read(root).positions(field, value)
    assert found.dtype == np.int64
    assert found.tolist() == positions


def test_a_field_without_a_facet_is_a_key_error(root: Path) -> None:
    with pytest.raises(KeyError, match="title"):
        Catalogue.read(root).positions("title", "Emma")


def test_values_are_given_as_they_are_written(root: Path) -> None:
    catalogue = Catalogue.read(root)
    assert catalogue.values_of(2, "author") == ["JANE AUSTEN", "Another Lady"]
    assert catalogue.values_of(0, "tags.genre") == ["Romance", "classic"]
    assert catalogue.values_of(1, "year") == ["1841"]
    assert catalogue.values_of(3, "tags.genre") == []
    assert catalogue.values_of(3, "author.name") == []


def test_an_empty_catalogue_is_one(tmp_path: Path) -> None:
    nothing = np.zeros(0, dtype=np.float32)
    Catalogue.write(tmp_path, [], np.zeros((0, 8), dtype=np.float32), [], ["author"], nothing)
    catalogue = Catalogue.read(tmp_path)
    assert len(catalogue) == 0
    assert catalogue.dimensions == 8
    assert catalogue.positions("author", "x").tolist() == []


def test_what_does_not_fit_together_is_not_written(tmp_path: Path) -> None:
    def write(ids: list[str], vectors: Any = VECTORS, popularity: Any = POPULARITY) -> None:
        Catalogue.write(tmp_path, ids, vectors, RECORDS, FIELDS, popularity)

    with pytest.raises(BundleError, match="3 ids, 4 vectors"):
        write(IDS[:3])
    with pytest.raises(BundleError, match=r"ids\.json: an id stands for two items"):
        write(["b1", "b2", "b2", "b4"])
    with pytest.raises(BundleError, match=r"vectors\.npy.*not finite"):
        write(IDS, vectors=np.full((4, 3), np.nan, dtype=np.float32))
    with pytest.raises(BundleError, match=r"popularity\.npy.*not finite"):
        write(IDS, popularity=np.array([0, 1, 2, np.inf], dtype=np.float32))


def test_a_catalogue_beyond_what_positions_can_count_is_refused(tmp_path: Path) -> None:
    many = range(MAX_ITEMS)
    vectors = np.broadcast_to(np.float32(0), (MAX_ITEMS, 1))
    with pytest.raises(BundleError, match="16,777,216 items"):
        Catalogue.write(tmp_path, many, vectors, many, [], vectors[:, 0])  # type: ignore[arg-type]


@pytest.mark.parametrize("file", [VECTORS_FILE, POPULARITY_FILE, IDS_FILE, LINES_FILE, OFFSETS_FILE, FACETS_FILE])
def test_a_missing_or_cut_file_is_named(root: Path, file: str) -> None:
    content = (root / file).read_bytes()
    (root / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=file):
        Catalogue.read(root)
    (root / file).unlink()
    with pytest.raises(BundleError, match=file):
        Catalogue.read(root)


SPOILED: dict[str, list[Any]] = {
    VECTORS_FILE: [VECTORS[:3], VECTORS.astype(np.float64), VECTORS[:, 0], np.full_like(VECTORS, np.inf), VECTORS.T],
    POPULARITY_FILE: [POPULARITY[:3], POPULARITY.astype(np.int64), np.full_like(POPULARITY, np.nan)],
    OFFSETS_FILE: [np.array([0, 5, 3, 9, 10]), np.zeros(5, dtype=np.int64), np.zeros(4, dtype=np.int64)],
}


@pytest.mark.parametrize(
    ("file", "at"), [(file, at) for file, spoiled in SPOILED.items() for at in range(len(spoiled))]
)
def test_an_array_that_does_not_fit_is_refused_and_named(root: Path, file: str, at: int) -> None:
    np.save(root / file, SPOILED[file][at])
    with pytest.raises(BundleError, match=file):
        Catalogue.read(root)


@pytest.mark.parametrize("ids", [["b1", "b1", "b3", "b4"], ["b1"], [1, 2, 3, 4], {"b1": 0}])
def test_ids_that_do_not_fit_are_refused(root: Path, ids: object) -> None:
    (root / IDS_FILE).write_text(json.dumps(ids))
    with pytest.raises(BundleError):
        Catalogue.read(root)


@pytest.mark.parametrize(
    ("array", "values"),
    [
        ("positions_0", [0, 2, 1, 9]),
        ("positions_0", [2, 0, 1, 2]),
        ("positions_0", [-1, 2, 1, 2]),
        ("starts_0", [0, 3, 2, 4]),
        ("starts_0", [0, 2, 3, 5]),
        ("starts_0", [0, 4]),
    ],
)
def test_facets_that_do_not_fit_are_refused(root: Path, array: str, values: list[int]) -> None:
    with np.load(root / FACETS_FILE) as file:
        arrays = dict(file)
    arrays[array] = np.array(values, dtype=arrays[array].dtype)
    np.savez(root / FACETS_FILE, **arrays)
    with pytest.raises(BundleError, match=FACETS_FILE):
        Catalogue.read(root)


def test_facets_that_lack_an_array_are_refused(root: Path) -> None:
    with np.load(root / FACETS_FILE) as file:
        arrays = {name: array for name, array in file.items() if name != "starts_1"}
    np.savez(root / FACETS_FILE, **arrays)
    with pytest.raises(BundleError, match="starts_1"):
        Catalogue.read(root)


def test_nothing_on_disk_can_hold_python_objects(root: Path) -> None:
    np.save(root / VECTORS_FILE, np.array([{}] * 4, dtype=object), allow_pickle=True)
    with pytest.raises(BundleError, match=VECTORS_FILE):
        Catalogue.read(root)


words = st.text("aAbB ß", max_size=4)


@given(st.lists(st.fixed_dictionaries({"tags": st.lists(words, max_size=4)}), max_size=8), words)
def test_inverted_lists_agree_with_the_records(records: list[dict[str, list[str]]], value: str) -> None:
    facets = Facets.build(records, ["tags"])
    expected = [at for at, record in enumerate(records) if normal(value) in map(normal, values_in(record, "tags"))]
    assert facets.positions("tags", value).tolist() == expected
