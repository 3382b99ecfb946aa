import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from training.data.errors import DataError
from training.data.reading import check, read
from training.data.sample import sample
from training.data.sources import GENRES, PAPERS

CSV = """bookId,title,author,description,language,genres
12-emma,Emma,Jane Austen,"A match, or two",English,"['Romance', 'Classics', 'Historical Romance', ""Children's""]"
13,Krieg,Leo,"Ein Buch",German,"['War']"
14,War,,"A book",,"['World War II', 'War', 'Poetry']"
15,,,"",English,[]
"""
SNAPSHOT = [
    {
        "id": "0704.0001", "title": "On  rice", "abstract": " We cook. ", "categories": "hep-ph cmp-lg cs.CL",
        "versions": [
            {"version": "v1", "created": "Mon, 2 Apr 2007 19:18:42 GMT"},
            {"version": "v2", "created": "Tue, 24 Jul 2007 20:10:27 GMT"},
        ],
        "update_date": "2008-11-26", "authors": "A", "doi": None,
    },
    {"id": "2606.00001", "title": "T", "abstract": "B", "categories": "cs.LG", "versions": [], "update_date": None},
]  # fmt: skip


def test_the_public_csv_of_books_is_read(tmp_path: Path) -> None:
    path = tmp_path / "books_1.Best_Books_Ever.csv"
    path.write_text(CSV)
    assert read(GENRES, path).drop("tags").rows() == [
        ("12-emma", "Emma", "A match, or two", "Jane Austen", ["romance"]),
        ("14", "War", "A book", "", ["poetry", "war"]),
    ]


def test_the_parquet_form_of_books_is_read(tmp_path: Path) -> None:
    path = tmp_path / "book_blurbs_goodreads.parquet"
    rows = {"goodreads_id": [7], "title": ["Emma"], "description": [" x "], "genres": [["Teen", "Queer", "School"]]}
    pl.DataFrame(rows).write_parquet(path)
    frame = read(GENRES, path)
    assert frame.drop("tags").rows() == [("7", "Emma", "x", "", ["lgbt", "young_adult"])]
    assert frame["tags"].to_list() == [["shelf: Queer", "shelf: School", "shelf: Teen"]]


def test_the_public_snapshot_of_papers_is_read(tmp_path: Path) -> None:
    path = tmp_path / "arxiv-metadata-oai-snapshot.json"
    path.write_text("\n".join(map(json.dumps, SNAPSHOT)))
    assert read(PAPERS, path).rows() == [
        ("0704.0001", "On  rice", "We cook.", ["cs.CL", "hep-ph"], date(2007, 4, 2)),
        ("2606.00001", "T", "B", ["cs.LG"], date(2026, 6, 1)),
    ]


def test_the_parquet_form_of_papers_is_read(tmp_path: Path) -> None:
    path = tmp_path / "arxiv_papers.parquet"
    pl.DataFrame(
        {
            "arxiv_id": ["2606.00001", "2606.00002"], "title": ["T", "U"], "abstract": ["B", "C"],
            "categories": [["cs.LG", "supr-con"], ["cs.AI"]], "first_seen": [None, date(2026, 6, 3)],
        }
    ).write_parquet(path)  # fmt: skip
    frame = read(PAPERS, path)
    assert frame["labels"].to_list() == [["cond-mat.supr-con", "cs.LG"], ["cs.AI"]]
    assert frame["time"].to_list() == [date(2026, 6, 1), date(2026, 6, 3)]


def test_what_we_write_we_read(tmp_path: Path) -> None:
    written = sample("papers", 50)
    written.write_parquet(tmp_path / "mine.parquet")
    assert read(PAPERS, tmp_path / "mine.parquet").equals(written)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "title,description\nx,y\n", "no column genres"),
        ("a.json", '{"title": "x"}\n', "no column abstract, categories"),
        ("a.json", "not json", "cannot be read"),
        ("a.json", "[1]", "no JSON objects"),
        ("a.parquet", "not parquet", "cannot be read"),
        ("a.txt", "", "unknown format"),
        ("a.csv", "", "cannot be read"),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, name: str, content: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError, match=words):
        check(GENRES if name == "a.csv" else PAPERS, path)
