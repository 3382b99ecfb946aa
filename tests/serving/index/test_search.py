import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from bundle.catalogue import Catalogue
from bundle.errors import BundleError
from bundle.index_files import EXACT_FILE
from bundle.manifest import IndexRecord
from export.topk import write_topk
from serving.errors import Code, JubakoError
from serving.index.opening import Kind, open_index, open_search
from serving.index.rows import NOTHING, Wanted
from serving.index.search import Search
from serving.settings import Engine
from tests.serving.index.searching import Vectors, brute_force, integers, positions, write_catalogue

ITEMS, DIMENSIONS = 400, 6
RECORD = IndexRecord(items=ITEMS, exact=EXACT_FILE)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("catalogue")
    write_catalogue(root, integers(np.random.default_rng(0), ITEMS, DIMENSIONS))
    write_topk(root, DIMENSIONS)
    return root


@pytest.fixture(scope="module")
def catalogue(root: Path) -> Catalogue:
    return Catalogue.read(root)


@pytest.fixture
def search(root: Path, catalogue: Catalogue) -> Iterator[Search]:
    search = open_search("search", open_index(root, RECORD, catalogue, Engine(device="cpu")), catalogue)
    yield search
    search.close()


def soon() -> float:
    return monotonic() + 20


def queries(rows: int) -> Vectors:
    return integers(np.random.default_rng(rows), rows, DIMENSIONS)


async def test_callers_at_once_get_each_their_own(search: Search, catalogue: Catalogue) -> None:
    rng = np.random.default_rng(1)
    wanted = [
        Wanted(
            query,
            int(rng.choice([1, 20, 300, 900])),
            rng.integers(0, ITEMS, rng.choice([0, 10, 500])),
            None if at % 3 else np.flatnonzero(rng.random(ITEMS) < rng.choice([0.03, 0.5])),
        )
        for at, query in enumerate(queries(60))
    ]
    found = await asyncio.gather(
        *(
            search.top(each.query, each.depth, excluded=each.excluded, allowed=each.allowed, deadline=soon())
            for each in wanted
        )
    )
    for each, answer in zip(wanted, found, strict=True):
        assert (answer.positions.tolist(), answer.scores.tolist()) == brute_force(catalogue.vectors, each)
        assert answer.compute_s > 0


async def test_an_empty_filter_and_no_depth_find_nothing(search: Search) -> None:
    for depth, allowed in ((0, None), (-3, None), (5, NOTHING)):
        found = await search.top(queries(1)[0], depth, allowed=allowed, deadline=soon())
        assert (found.positions.tolist(), found.scores.tolist()) == ([], [])


async def test_exclusions_that_are_no_positions_are_passed_over(search: Search, catalogue: Catalogue) -> None:
    query = queries(1)[0]
    found = await search.top(query, 3, excluded=[-1, ITEMS, 2**40, 7], deadline=soon())
    expected, _ = brute_force(catalogue.vectors, Wanted(query, 3, positions([7]), None))
    assert found.positions.tolist() == expected


async def test_a_query_that_is_not_finite_is_an_error_of_its_own(search: Search) -> None:
    broken = np.full(DIMENSIONS, np.inf, dtype=np.float32)
    answers = await asyncio.gather(
        *(search.top(query, 5, deadline=soon()) for query in [*queries(3), broken]), return_exceptions=True
    )
    assert [isinstance(answer, JubakoError) for answer in answers] == [False, False, False, True]


async def test_a_query_of_another_length_fails_alone(search: Search) -> None:
    answers = await asyncio.gather(
        *(search.top(query, 5, deadline=soon()) for query in [*queries(3), queries(1)[0, :-1]]), return_exceptions=True
    )
    assert [isinstance(answer, JubakoError) for answer in answers] == [False, False, False, True]


async def test_a_deadline_that_has_passed_is_refused(search: Search) -> None:
    with pytest.raises(JubakoError) as caught:
        await search.top(queries(1)[0], 5, deadline=monotonic() - 1)
    assert caught.value.code is Code.DEADLINE


async def test_an_empty_catalogue_finds_nothing(tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path, np.zeros((0, DIMENSIONS), dtype=np.float32))
    write_topk(tmp_path, DIMENSIONS)
    record = IndexRecord(items=0, exact=EXACT_FILE)
    search = open_search("empty", open_index(tmp_path, record, catalogue, Engine()), catalogue)
    assert (await search.top(queries(1)[0], 5, deadline=soon())).positions.tolist() == []
    search.close()


def test_an_index_over_another_catalogue_is_refused(root: Path, catalogue: Catalogue) -> None:
    with pytest.raises(BundleError, match="over 399 items, the catalogue has 400"):
        open_index(root, IndexRecord(items=399, exact=EXACT_FILE), catalogue, Engine())


def test_an_approximate_index_that_the_bundle_lacks_is_refused(root: Path, catalogue: Catalogue) -> None:
    with pytest.raises(BundleError, match="set the search to exact"):
        open_index(root, RECORD, catalogue, Engine(), "approximate")


@pytest.mark.parametrize(("kind", "name"), [("auto", "HNSW"), ("approximate", "HNSW"), ("exact", "exact")])
def test_the_approximate_index_is_taken_where_there_is_one(
    root: Path, catalogue: Catalogue, tmp_path: Path, kind: Kind, name: str
) -> None:
    from export.hnsw import write_hnsw

    write_hnsw(tmp_path, catalogue.vectors, threads=1)
    write_topk(tmp_path, DIMENSIONS)
    record = RECORD.model_copy(update={"approximate": "index/items.hnsw"})
    index = open_index(tmp_path, record, catalogue, Engine(device="cpu"), kind)
    assert index.device.startswith(f"{name} over 400 items")
