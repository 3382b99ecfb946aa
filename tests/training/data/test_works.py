from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.records import parse_record
from features.works import Work
from training.data.errors import DataError
from training.data.fanworks import SCHEMA
from training.data.sample_works import sample_works
from training.data.works import Works, WorksConfig, load_works

PUBLIC = pl.DataFrame(
    {
        "work_id": [12, 3], "fandom": ["Saga", "Tale"], "relationships": [["A/B", "C & D"], ["E/F"]],
        "title": [" Light ", None], "rel_type": ["F/F", None], "is_canon": [True, False], "is_rpf": [False, False],
        "published": [date(2024, 5, 9), None], "kudos": [1234, 0], "rating": ["General Audiences", "Teen"],
        "warnings": [["None"], None], "tags": [["Fluff", "Sad A"], []],
    }
)  # fmt: skip


def load(config: WorksConfig) -> tuple[Works, list[str]]:
    said: list[str] = []
    return load_works(config, said.append), said


def put(path: Path, rows: int = 60) -> Path:
    """Write public works, as many as asked for."""
    numbered = pl.concat([PUBLIC] * (rows // 2)).with_columns(work_id=pl.int_range(rows).reverse())
    numbered.write_parquet(path)
    return path


def test_the_public_file_becomes_records(tmp_path: Path) -> None:
    data, said = load(WorksConfig(path=put(tmp_path / "fanworks.parquet")))
    assert not said
    assert not data.generated
    assert data.ids == tuple(str(at) for at in range(60))
    work = parse_record("work", data.records(np.array([59]))[0])
    assert isinstance(work, Work)
    assert (work.id, work.title) == ("59", "Light")
    assert (work.tags.fandom, work.tags.relationship, work.tags.category) == (("Saga",), ("A/B", "C & D"), ("F/F",))
    assert (work.tags.freeform, work.tags.rating, work.tags.warning) == (
        ("Fluff", "Sad A"),
        ("General Audiences",),
        ("None",),
    )
    assert (work.statistics.kudos, work.statistics.published) == (1234, date(2024, 5, 9))
    bare = parse_record("work", data.records(np.array([0]))[0])
    assert isinstance(bare, Work)
    assert (bare.title, bare.tags.category, bare.tags.warning, bare.tags.freeform) == ("", (), (), ())
    assert bare.statistics.published is None


def test_parts_are_disjoint_and_hang_on_the_ids(tmp_path: Path) -> None:
    data, _ = load(WorksConfig(sample_rows=2000))
    parts = [set(part.tolist()) for part in (data.train, data.validation, data.test)]
    assert sorted(at for part in parts for at in part) == list(range(2000))
    assert 150 < len(parts[1]) < 250
    assert 150 < len(parts[2]) < 250
    fewer = data.frame.sample(fraction=0.5, shuffle=True, seed=1)
    fewer.write_parquet(tmp_path / "fewer.parquet")
    half, _ = load(WorksConfig(path=tmp_path / "fewer.parquet"))
    for name in ("train", "validation", "test"):
        before = {data.ids[at] for at in getattr(data, name)}
        assert {half.ids[at] for at in getattr(half, name)} == before & set(half.ids)
    assert load(WorksConfig(sample_rows=2000, seed=1))[0].test.tolist() != data.test.tolist()


def test_without_any_data_a_sample_is_generated_loudly() -> None:
    data, said = load(WorksConfig(sample_rows=300))
    assert data.generated
    assert data.description == "GENERATED SAMPLE, for trying out only (seed 0, 300 works)"
    assert "NO DATA: fanworks is nowhere" in said[0]


def test_our_own_form_comes_back_as_it_was(tmp_path: Path) -> None:
    sample_works(300).write_parquet(tmp_path / "mine.parquet")
    on_disk, _ = load(WorksConfig(path=tmp_path / "mine.parquet"))
    assert on_disk.generated
    assert on_disk.fingerprint == load(WorksConfig(sample_rows=300))[0].fingerprint


def test_fewer_works_are_drawn() -> None:
    whole, few = load(WorksConfig(sample_rows=500))[0], load(WorksConfig(sample_rows=500, max_rows=120))[0]
    assert len(few) == 120
    assert set(few.ids) < set(whole.ids)
    assert 80 <= len(few.train) <= 110  # in the same parts as before, all of them
    assert few.fingerprint != whole.fingerprint


def test_what_cannot_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="leave none for a part"):
        load(WorksConfig(path=put(tmp_path / "few.parquet", rows=2)))
    PUBLIC.drop("kudos").write_parquet(tmp_path / "bare.parquet")
    with pytest.raises(DataError, match="does not hold fanworks: no column kudos"):
        load(WorksConfig(path=tmp_path / "bare.parquet"))
    with pytest.raises(DataError, match="genres has no fan works; those that do: fanworks"):
        load(WorksConfig(name="genres"))
    with pytest.raises(DataError, match="no tags of kind 'ship'"):
        load(WorksConfig(sample_rows=300))[0].tags("ship")


def test_the_sample_is_the_same_on_every_machine() -> None:
    assert load(WorksConfig(sample_rows=200))[0].fingerprint[:16] == "ae8f066df234f3c6"
    assert sample_works(50, seed=1).equals(sample_works(50, seed=1))
    assert not sample_works(50, seed=1).equals(sample_works(50, seed=2))
    assert sample_works(50).schema == SCHEMA


def test_ships_of_the_sample_can_be_told_from_titles_and_free_tags() -> None:
    data, _ = load(WorksConfig())
    ships = data.tags("relationship").list.first().to_list()
    words = [
        Counter(f"{title} {' '.join(tags)}".split())
        for title, tags in zip(data.frame["title"], data.tags("freeform"), strict=True)
    ]
    rare = Counter(word for each in words for word in each)
    by_word: dict[str, list[int]] = {}
    for at in data.train:
        for word in words[at]:
            by_word.setdefault(word, []).append(at)
    hits = []
    for at in data.test:
        votes = Counter(ships[other] for word in words[at] if rare[word] < 150 for other in by_word.get(word, []))
        hits.append(bool(votes) and votes.most_common(1)[0][0] == ships[at])
    assert np.mean(hits) > 0.4
    assert max(Counter(ships).values()) / len(ships) < 0.1


def test_all_records_of_the_sample_are_works() -> None:
    for record in sample_works(200).to_dicts():
        work = parse_record("work", record)
        assert isinstance(work, Work)
        assert work.tags.fandom
        assert work.tags.relationship
        assert work.tags.freeform
