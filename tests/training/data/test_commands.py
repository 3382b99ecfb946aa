from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from jubako.data_commands import get, print_sets, undersample_file, write_sample
from training.data.sample import sample
from training.data.sample_interactions import SampleConfig, sample_interactions
from training.data.sample_works import sample_works
from training.data.tables import our_files, read_ours
from training.data.undersample import undersample


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")


def test_the_list_tells_where_data_would_come_from(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    cache.mkdir(parents=True)
    sample("papers", 123).write_parquet(cache / "arxiv_papers.parquet")
    print_sets()
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "generated sample; `jubako data get genres`" in lines["genres"]
    assert "CC BY-NC 4.0" in lines["genres"]
    assert "123" in lines["papers"]
    assert "(the cache)" in lines["papers"]


def test_a_sample_is_written_or_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sample("genres", rows=150, seed=4, out=tmp_path / "new" / "sample.parquet")
    assert pl.read_parquet(tmp_path / "new" / "sample.parquet").equals(sample("genres", 150, 4))
    capsys.readouterr()
    write_sample("papers", rows=150)
    shown = capsys.readouterr().out
    assert "GENERATED SAMPLE" in shown
    assert str(sample("papers", 150)["abstract"][0]) in shown


def test_getting_tells_where_the_data_is_and_its_terms(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample("papers", 50).write_parquet(tmp_path / "mine.parquet")
    get("papers", str(tmp_path / "mine.parquet"))
    shown = capsys.readouterr().out
    assert str(cache / "arxiv_papers.parquet") in shown
    assert "CC0" in shown


def test_the_list_knows_sets_of_several_files(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    write_sample("goodbooks", rows=321, out=cache / "goodbooks")
    capsys.readouterr()
    print_sets()
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert f"{cache / 'goodbooks'} (the cache)" in lines["goodbooks"]
    assert "321" in lines["goodbooks"]
    assert "fetched when it is needed" in lines["book-crossing"]
    for name in ("amazon-books", "fanworks"):
        assert f"generated sample; `jubako data get {name}`" in lines[name]


def test_a_sample_of_interactions_is_a_folder_or_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sample("book-crossing", rows=300, seed=2, out=tmp_path / "new")
    assert "300 generated interactions" in capsys.readouterr().out
    data = sample_interactions("book-crossing", SampleConfig(rows=300, seed=2))
    assert read_ours([tmp_path / "new" / name for name in our_files("book-crossing")]).meetings.equals(data.meetings)
    write_sample("book-crossing", rows=300)
    shown = capsys.readouterr().out
    assert "GENERATED SAMPLE" in shown
    assert "sample-000000" in shown


def test_a_sample_of_works_is_written_or_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sample("fanworks", rows=120, seed=3, out=tmp_path / "works.parquet")
    assert pl.read_parquet(tmp_path / "works.parquet").equals(sample_works(120, 3))
    capsys.readouterr()
    write_sample("fanworks", rows=120)
    assert str(sample_works(120)["title"][0]) in capsys.readouterr().out


@pytest.mark.parametrize("column", ["labels", "categories", "genres"])
def test_undersampling_a_file_prints_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str], column: str) -> None:
    frame = sample("genres", 600).rename({"labels": column})
    frame.write_parquet(tmp_path / "in.parquet")
    undersample_file(tmp_path / "in.parquet", tmp_path / "out.parquet", threshold=20, seed=1)
    kept = pl.read_parquet(tmp_path / "out.parquet")
    assert kept.equals(undersample(frame, 20, 1, column))
    assert 0 < kept.height < 600
    assert f"600 rows before, {kept.height} after" in capsys.readouterr().out


def test_errors_are_one_line_and_exit_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.parquet").write_text("no")
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "bare.parquet")
    commands: list[tuple[Callable[[], None], str]] = [
        (lambda: write_sample("bookz"), "unknown data set 'bookz'"),
        (lambda: write_sample("genres", rows=0), "--rows"),
        (lambda: write_sample("goodbooks", rows=10), "--rows of interactions is at least 200, not 10"),
        (lambda: get("papers", str(tmp_path / "none")), "no such file or folder"),
        (lambda: undersample_file(tmp_path / "text.parquet", tmp_path / "o"), "cannot be read as Parquet"),
        (lambda: undersample_file(tmp_path / "bare.parquet", tmp_path / "o"), "no list column"),
    ]
    for command, words in commands:
        with pytest.raises(SystemExit) as caught:
            command()
        assert caught.value.code == 1
        assert words in capsys.readouterr().out
