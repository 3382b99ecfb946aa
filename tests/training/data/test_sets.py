from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.clean import Cleaning
from features.records import parse_record
from tests.training.data.frames import labelled
from training.data.arrays import holding, targets, texts
from training.data.errors import DataError
from training.data.fingerprint import fingerprint
from training.data.sample import sample
from training.data.sets import DataConfig, load
from training.data.sources import CACHE_DIR, DATA_DIR, PAPERS, locate
from training.data.splits import PROTOCOLS, SplitConfig, split

REAL = pl.DataFrame(
    {
        "goodreads_id": range(6),
        "title": ["A", "B", "C", "D", "E", "E"],
        "description": ["one", "two", "three", "four", "five", "Five!"],
        "genres": [["War"], ["War", "Teen"], ["School"], ["War", "History"], ["Teen"], ["Horror"]],
    }
)


def put(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    REAL.write_parquet(folder / "book_blurbs_goodreads.parquet")
    return folder


def test_without_any_data_a_sample_is_generated_and_says_so() -> None:
    data = load(DataConfig(name="genres", sample_rows=400))
    assert data.generated
    assert data.description.startswith("GENERATED SAMPLE, for trying out only (seed 0")
    assert data.merged > 0
    assert 15 < len(data.labels) <= 24


def test_a_sample_on_disk_still_says_that_it_is_one(tmp_path: Path) -> None:
    sample("genres", 400).write_parquet(tmp_path / "mine.parquet")
    on_disk = load(DataConfig(name="genres", path=tmp_path / "mine.parquet"))
    assert "GENERATED SAMPLE" in on_disk.description
    assert on_disk.fingerprint == load(DataConfig(name="genres", sample_rows=400)).fingerprint


def test_sources_come_in_order(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = DataConfig(name="genres")
    put(cache)
    assert "book_blurbs" in load(config).description
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv(DATA_DIR, str(empty))
    assert locate(load(config).source).how == "the cache"
    put(tmp_path / "folder")
    monkeypatch.setenv(DATA_DIR, str(tmp_path / "folder"))
    assert locate(load(config).source).how == DATA_DIR
    given = config.model_copy(update={"path": put(tmp_path / "given")})
    assert load(given).generated is False


def test_a_place_that_is_not_there_is_an_error_and_no_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such file"):
        load(DataConfig(name="papers", path=tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"holds no papers; looked for arxiv_papers.parquet and arxiv-metadata"):
        load(DataConfig(name="papers", path=put(tmp_path / "books")))
    monkeypatch.setenv(DATA_DIR, str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=DATA_DIR):
        load(DataConfig(name="papers"))


def test_the_cache_is_in_the_home_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_DIR)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".cache/jubako/data").mkdir(parents=True)
    (tmp_path / ".cache/jubako/data/arxiv_papers.parquet").touch()
    assert locate(PAPERS).path == tmp_path / ".cache/jubako/data/arxiv_papers.parquet"


def test_labels_are_those_with_enough_rows_counted_after_merging(tmp_path: Path) -> None:
    path = put(tmp_path)
    data = load(DataConfig(name="genres", path=path))
    assert data.labels == ("history", "horror", "war", "young_adult")
    assert (data.read, data.merged, data.unlabelled, data.frame.height) == (6, 1, 1, 4)
    assert data.frame.filter(pl.col("id") == "4")["labels"].item().to_list() == ["horror", "young_adult"]
    assert load(DataConfig(name="genres", path=path, min_count=2)).labels == ("war", "young_adult")
    top = load(DataConfig(name="genres", path=path, most_frequent=1))
    assert top.labels == ("war",)
    assert targets(top.frame, ["war", "history", "young_adult"], "all_labels").tolist() == [
        [True, False, False],
        [True, False, True],
        [True, True, False],
    ]
    with pytest.raises(DataError, match="lower min_count"):
        load(DataConfig(name="genres", path=path, min_count=4))


def test_rows_without_a_label_are_kept_on_request(tmp_path: Path) -> None:
    data = load(DataConfig(name="genres", path=put(tmp_path), min_count=2, unlabelled="keep"))
    assert data.unlabelled == 1
    assert targets(data.frame, data.labels).sum(axis=1).tolist() == [1, 2, 0, 1, 1]


def test_fewer_rows_are_drawn_without_changing_the_labels() -> None:
    whole, few = (load(DataConfig(name="papers", sample_rows=500, max_rows=rows)) for rows in (0, 60))
    assert few.frame.height == 60
    assert few.labels == whole.labels
    assert few.fingerprint != whole.fingerprint
    assert set(few.frame["id"]) <= set(whole.frame["id"])


def test_implications_are_those_that_the_rows_bear_out() -> None:
    data = load(DataConfig(name="papers"))
    assert data.implications(split(data.frame, PROTOCOLS["papers"]).train) == [("cs.SY", "eess.SY")]
    frame = labelled([["a", "b"]] * 199 + [["a"]] + [["b"]] * 100 + [["c", "a"]] * 5)
    assert holding(frame, [("a", "b"), ("b", "a"), ("c", "a")], share=0.97) == [("a", "b")]
    assert holding(frame, [("c", "a")], rows=5) == [("c", "a")]


def test_the_fingerprint_depends_on_the_content_alone() -> None:
    frame = sample("papers", 100)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1).select(reversed(frame.columns))
    assert fingerprint(shuffled) == fingerprint(frame)
    changed = frame.with_columns(
        pl.when(pl.col("id") == "sample-000007").then(pl.lit("x")).otherwise("title").alias("title")
    )
    assert fingerprint(changed) != fingerprint(frame)


def test_texts_are_those_that_serving_composes() -> None:
    frame, cleaning, fields = sample("papers", 50), Cleaning(latex="simplify"), ("title", "abstract")
    composed = texts(frame, "paper", fields, cleaning)
    sent = [{"title": title, "abstract": abstract} for title, abstract in frame.select(fields).iter_rows()]
    assert composed == [parse_record("paper", record).text(fields, cleaning) for record in sent]
    assert any("Schrödinger" in text for text in composed)


def test_targets_have_a_column_for_each_label_in_order() -> None:
    found = targets(labelled([["b", "x"], [], ["a", "b"]]), ["a", "b", "c"])
    assert np.array_equal(found, [[False, True, False], [False, False, False], [True, True, False]])


def test_the_protocol_is_the_data_sets_own_unless_told_otherwise() -> None:
    assert DataConfig(name="papers").protocol == PROTOCOLS["papers"]
    assert DataConfig(name="papers", split=SplitConfig(by="time")).protocol.by == "time"


def test_an_unknown_data_set_is_told_which_are_known() -> None:
    with pytest.raises(DataError, match="unknown data set 'bookz'; known: genres, papers"):
        load(DataConfig(name="bookz"))
