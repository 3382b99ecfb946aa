"""The data sets we know, and where their rows come from: a given path, the data folder, the cache, or a generator."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features.labels import Label
from features.records import Kind
from features.taxonomies import arxiv as arxiv_names
from features.taxonomies import genres as genre_names
from training.data import arxiv, goodreads
from training.data.errors import DataError

DATA_DIR = "JUBAKO_DATA_DIR"
CACHE_DIR = "JUBAKO_CACHE_DIR"


@dataclass(frozen=True)
class Source:
    """A public data set: its files, its terms, and how to read it."""

    name: str
    kind: Kind
    body: str
    """The column with the text."""
    files: tuple[str, ...]
    """Names under which it is looked for in a folder; the last one is the public file."""
    columns: frozenset[str]
    """Columns that a file of it has, under any of the names that `read` understands."""
    read: Callable[[Path], pl.DataFrame]
    """Reads a file into id, the record's fields, labels and perhaps time."""
    about: str
    terms: str
    url: str
    by_hand: str
    """How a person gets the public file where a download fails."""
    labels: Callable[[Iterable[str]], list[Label]]
    """Adds display names to labels."""
    candidates: tuple[tuple[str, str], ...] = ()
    """Implications between labels that may hold; see `training.data.arrays.holding`."""
    min_count: int = 1
    """Rows from which a label is one of the data set's."""


GENRES = Source(
    name="genres",
    kind="book",
    body="description",
    files=("book_blurbs_goodreads.parquet", "books_1.Best_Books_Ever.csv"),
    columns=frozenset({"title", "description", "genres"}),
    read=goodreads.read,
    about="blurbs of books with the shelves of Goodreads' readers, mapped to 24 genres",
    terms="Best Books Ever (Casanova Lozano, Costa Planells 2020): CC BY-NC 4.0; blurbs belong to their publishers",
    url="https://zenodo.org/records/4265096/files/books_1.Best_Books_Ever.csv?download=1",
    by_hand="download books_1.Best_Books_Ever.csv from https://zenodo.org/records/4265096",
    labels=genre_names.labels,
)
PAPERS = Source(
    name="papers",
    kind="paper",
    body="abstract",
    files=("arxiv_papers.parquet", "arxiv-metadata-oai-snapshot.json"),
    columns=frozenset({"title", "abstract", "categories"}),
    read=arxiv.read,
    about="titles and abstracts of arXiv with their categories",
    terms="arXiv metadata: CC0 1.0",
    url="https://www.kaggle.com/api/v1/datasets/download/Cornell-University/arxiv",
    by_hand="download the archive from https://www.kaggle.com/datasets/Cornell-University/arxiv (free account)",
    labels=arxiv_names.labels,
    candidates=tuple(arxiv_names.candidate_implications()),
    min_count=200,
)
SOURCES: dict[str, Source] = {source.name: source for source in (GENRES, PAPERS)}


@dataclass(frozen=True)
class Located:
    """Where the rows of a data set would come from."""

    path: Path | None
    """None: they would be generated."""
    how: str
    """For people: which rule found it."""


def source_of(name: str) -> Source:
    """Return a known data set.

    Raises:
        DataError: there is none of that name; the message lists all.
    """
    try:
        return SOURCES[name]
    except KeyError:
        raise DataError(f"unknown data set {name!r}; known: {', '.join(SOURCES)}") from None


def locate(source: Source, path: Path | None = None) -> Located:
    """Find the file of a data set: the given file or folder, else JUBAKO_DATA_DIR, else the cache, else none.

    Raises:
        DataError: the given path or JUBAKO_DATA_DIR does not exist, or the given folder does not hold the data set.
    """
    if path is not None:
        return Located(_within(source, path.expanduser()), "the given path")
    if folder := os.environ.get(DATA_DIR):
        if not Path(folder).is_dir():
            raise DataError(f"{DATA_DIR}={folder} is no folder; correct it or unset it")
        if found := _held(source, Path(folder)):
            return Located(found, DATA_DIR)
    if found := _held(source, cache_dir()):
        return Located(found, "the cache")
    return Located(None, "generated sample")


def cache_dir() -> Path:
    """Return the folder that `jubako data get` fills: `data` in JUBAKO_CACHE_DIR, or in ~/.cache/jubako."""
    root = os.environ.get(CACHE_DIR)
    return (Path(root) if root else Path.home() / ".cache" / "jubako") / "data"


def _within(source: Source, path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder")
    if found := _held(source, path):
        return found
    raise DataError(f"{path} holds no {source.name}; looked for {' and '.join(source.files)}")


def _held(source: Source, folder: Path) -> Path | None:
    return next((folder / file for file in source.files if (folder / file).is_file()), None)
