import io
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.data.crossing import packed, written
from tests.training.data.server import serving
from training.data.amazon_books import AMAZON_BOOKS
from training.data.book_crossing import BOOK_CROSSING
from training.data.errors import DataError
from training.data.fanworks import FANWORKS
from training.data.fetch import fetch
from training.data.obtain import obtain
from training.data.reading import read
from training.data.sample import sample
from training.data.sample_interactions import SampleConfig, sample_interactions
from training.data.sets import DataConfig, load
from training.data.sources import DATA_DIR, GENRES, PAPERS, locate
from training.data.tables import write_ours

BODY = os.urandom(300_000)
CSV = b"bookId,title,author,description,language,genres\n1,Emma,Jane,A match,English,\"['Romance']\"\n"
LINE = json.dumps({"id": "0704.0001", "title": "T", "abstract": "B", "categories": "cs.LG"}).encode()


def test_a_download_arrives_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with serving(BODY) as server:
        path = fetch(server.url, tmp_path / "new" / "file", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == BODY
    assert [file.name for file in path.parent.iterdir()] == ["file"]
    assert seen[-1] == (len(BODY), len(BODY))


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with serving(BODY) as server:
        server.break_after = 100_000
        with pytest.raises(DataError, match="100,000 bytes are kept"):
            fetch(server.url, target)
        assert not target.exists()
        server.break_after = None
        fetch(server.url, target)
        assert server.ranges == [None, "bytes=100000-"]
    assert target.read_bytes() == BODY


def test_a_file_that_changed_meanwhile_is_fetched_anew(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with serving(BODY) as server:
        server.break_after = 100_000
        with pytest.raises(DataError):
            fetch(server.url, target)
        server.break_after, server.etag, server.body = None, '"two"', BODY[::-1]
        fetch(server.url, target)
    assert target.read_bytes() == BODY[::-1]


def test_a_refusal_names_the_server_and_the_status(tmp_path: Path) -> None:
    with serving(BODY) as server, pytest.raises(DataError, match=r"127.0.0.1 answers 404"):
        fetch(f"{server.url}/missing", tmp_path / "file")


def test_getting_from_a_url_puts_the_file_into_the_cache(cache: Path) -> None:
    with serving(CSV) as server:
        path = obtain(GENRES, f"{server.url}/files/books_1.Best_Books_Ever.csv?download=1")
    assert path == cache / "books_1.Best_Books_Ever.csv"
    assert [file.name for file in cache.iterdir()] == [path.name]
    assert load(DataConfig(name="genres")).labels == ("romance",)


def test_an_archive_is_unpacked(cache: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("arxiv-metadata-oai-snapshot.json", LINE)
    with serving(archive.getvalue()) as server:
        path = obtain(PAPERS, f"{server.url}/api/v1/datasets/download/Cornell-University/arxiv")
    assert path == cache / "arxiv-metadata-oai-snapshot.json"
    assert read(PAPERS, path)["id"].to_list() == ["0704.0001"]


def test_what_is_no_data_never_reaches_the_cache_and_the_way_by_hand_is_told(cache: Path) -> None:
    with serving(b"<html>please log in</html>") as server, pytest.raises(DataError) as caught:
        obtain(GENRES, f"{server.url}/books.csv")
    assert "does not hold genres" in str(caught.value)
    assert "https://zenodo.org/records/4265096" in str(caught.value)
    assert "jubako data get genres --from FILE" in str(caught.value)
    assert not list(cache.iterdir())


def test_without_a_network_the_way_by_hand_is_told() -> None:
    with serving(b"") as server:
        url = server.url  # nobody answers there once it is closed
    with pytest.raises(
        DataError, match=r"cannot be reached.*By hand: download the archive from https://www.kaggle.com"
    ):
        obtain(PAPERS, url)


def test_getting_from_a_folder_or_the_data_dir_copies(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "books_1.Best_Books_Ever.csv").write_bytes(CSV)
    assert obtain(GENRES, str(folder)) == cache / "books_1.Best_Books_Ever.csv"
    monkeypatch.setenv(DATA_DIR, str(folder))
    sample("genres", 100).write_parquet(folder / "book_blurbs_goodreads.parquet")
    assert obtain(GENRES) == cache / "book_blurbs_goodreads.parquet"
    assert [file.name for file in cache.iterdir()] == ["book_blurbs_goodreads.parquet"]


def test_a_file_of_any_name_takes_the_name_of_its_form(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "old.jsonl").write_bytes(LINE)
    assert obtain(PAPERS, str(tmp_path / "old.jsonl")) == cache / "arxiv-metadata-oai-snapshot.json"
    (tmp_path / "old.csv").write_bytes(CSV)
    with pytest.raises(DataError, match="not a form of papers"):
        obtain(PAPERS, str(tmp_path / "old.csv"))


def test_a_failed_get_leaves_what_was_there(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "good.csv").write_bytes(CSV)
    (tmp_path / "bad.csv").write_bytes(b"a,b\n1,2\n")
    path = obtain(GENRES, str(tmp_path / "good.csv"))
    with pytest.raises(DataError, match="does not hold genres"):
        obtain(GENRES, str(tmp_path / "bad.csv"))
    assert path.read_bytes() == CSV
    assert list(cache.iterdir()) == [path]


def test_several_files_get_a_folder_of_their_own(tmp_path: Path, cache: Path) -> None:
    written(tmp_path)
    assert obtain(BOOK_CROSSING, str(tmp_path)) == cache / "book-crossing"
    assert sorted(file.name for file in (cache / "book-crossing").iterdir()) == sorted(BOOK_CROSSING.forms[-1])
    assert locate(BOOK_CROSSING).path == cache / "book-crossing"
    assert [file.name for file in cache.iterdir()] == ["book-crossing"]
    assert obtain(BOOK_CROSSING, str(cache / "book-crossing")) == cache / "book-crossing"


def test_another_form_takes_the_place_of_the_one_before(tmp_path: Path, cache: Path) -> None:
    written(tmp_path)
    obtain(BOOK_CROSSING, str(tmp_path))
    ours = write_ours(sample_interactions("book-crossing", SampleConfig(rows=200)), "book-crossing", tmp_path / "ours")
    obtain(BOOK_CROSSING, str(tmp_path / "ours"))
    assert {file.name for file in (cache / "book-crossing").iterdir()} == {path.name for path in ours}


def test_a_wheel_is_an_archive(tmp_path: Path, cache: Path) -> None:
    assert obtain(BOOK_CROSSING, str(packed(tmp_path))) == cache / "book-crossing"
    assert (cache / "book-crossing" / "BX-Books.csv").is_file()


def test_files_may_be_downloaded_one_by_one(cache: Path) -> None:
    names = AMAZON_BOOKS.forms[-1]
    with serving(b"0 1 2\n") as server:
        urls = tuple(f"{server.url}/{name}" for name in names)
        assert obtain(replace(AMAZON_BOOKS, urls=urls)) == cache / "amazon-books"
    assert sorted(file.name for file in (cache / "amazon-books").iterdir()) == sorted(names)
    assert [file.name for file in cache.iterdir()] == ["amazon-books"]


def test_files_that_lack_columns_leave_what_was_there(tmp_path: Path, cache: Path) -> None:
    written(tmp_path)
    obtain(BOOK_CROSSING, str(tmp_path))
    (tmp_path / "BX-Books.csv").write_text('"ISBN"\n')
    with pytest.raises(DataError, match="no column Book-Author"):
        obtain(BOOK_CROSSING, str(tmp_path))
    assert "Emma" in (cache / "book-crossing" / "BX-Books.csv").read_text(encoding="latin-1")
    assert [file.name for file in cache.iterdir()] == ["book-crossing"]


def test_what_has_no_public_address_is_got_by_hand() -> None:
    with pytest.raises(DataError, match=r"fanworks has no public address\. By hand: put fanworks.parquet"):
        obtain(FANWORKS)
