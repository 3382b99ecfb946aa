"""The data sets we know, and where their rows come from: a given path, the data folder, the cache, or a generator."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from features.taxonomies import arxiv as arxiv_names
from features.taxonomies import genres as genre_names
from training.data import arxiv, goodreads
from training.data.amazon_books import AMAZON_BOOKS
from training.data.book_crossing import BOOK_CROSSING
from training.data.errors import DataError
from training.data.fanworks import FANWORKS
from training.data.goodbooks import GOODBOOKS
from training.data.source import InteractionSource, LabelSource, Source, WorkSource

DATA_DIR = "JUBAKO_DATA_DIR"
CACHE_DIR = "JUBAKO_CACHE_DIR"

GENRES = LabelSource(
    name="genres",
    kind="book",
    body="description",
    files=("book_blurbs_goodreads.parquet", "books_1.Best_Books_Ever.csv"),
    columns=frozenset({"title", "description", "genres"}),
    ours=frozenset({"id", "title", "description", "labels"}),
    read=goodreads.read,
    about="blurbs of books with the shelves of Goodreads' readers, mapped to 24 genres",
    terms="Best Books Ever (Casanova Lozano, Costa Planells 2020): CC BY-NC 4.0; blurbs belong to their publishers",
    urls=("https://zenodo.org/records/4265096/files/books_1.Best_Books_Ever.csv?download=1",),
    by_hand="download books_1.Best_Books_Ever.csv from https://zenodo.org/records/4265096",
    labels=genre_names.labels,
)
PAPERS = LabelSource(
    name="papers",
    kind="paper",
    body="abstract",
    files=("arxiv_papers.parquet", "arxiv-metadata-oai-snapshot.json"),
    columns=frozenset({"title", "abstract", "categories"}),
    ours=frozenset({"id", "title", "abstract", "labels"}),
    read=arxiv.read,
    about="titles and abstracts of arXiv with their categories",
    terms="arXiv metadata: CC0 1.0",
    urls=("https://www.kaggle.com/api/v1/datasets/download/Cornell-University/arxiv",),
    by_hand="download the archive from https://www.kaggle.com/datasets/Cornell-University/arxiv (free account)",
    labels=arxiv_names.labels,
    candidates=tuple(arxiv_names.candidate_implications()),
    min_count=200,
)
LABELLED: dict[str, LabelSource] = {source.name: source for source in (GENRES, PAPERS)}
MET: dict[str, InteractionSource] = {source.name: source for source in (BOOK_CROSSING, GOODBOOKS, AMAZON_BOOKS)}
WORKS: dict[str, WorkSource] = {FANWORKS.name: FANWORKS}
SOURCES: Mapping[str, Source] = {**LABELLED, **MET, **WORKS}


@dataclass(frozen=True)
class Located:
    """Where the rows of a data set would come from."""

    paths: tuple[Path, ...]
    """Its files, in the order of their form; empty: they would be generated."""
    how: str
    """For people: which rule found it."""

    @property
    def path(self) -> Path | None:
        """The file, or the folder of several; None: the rows would be generated."""
        if not self.paths:
            return None
        return self.paths[0] if len(self.paths) == 1 else self.paths[0].parent


def source_of(name: str) -> Source:
    """Return a known data set.

    Raises:
        DataError: there is none of that name; the message lists all.
    """
    if name not in SOURCES:
        raise DataError(f"unknown data set {name!r}; known: {', '.join(SOURCES)}")
    return SOURCES[name]


def label_source_of(name: str) -> LabelSource:
    """Return a known data set of labelled texts.

    Raises:
        DataError: there is none of that name; the message lists all.
    """
    if name not in LABELLED:
        raise DataError(_unfit(name, "labels", LABELLED))
    return LABELLED[name]


def interaction_source_of(name: str) -> InteractionSource:
    """Return a known data set of interactions.

    Raises:
        DataError: there is none of that name; the message lists all.
    """
    if name not in MET:
        raise DataError(_unfit(name, "interactions", MET))
    return MET[name]


def work_source_of(name: str) -> WorkSource:
    """Return a known data set of fan works.

    Raises:
        DataError: there is none of that name; the message lists all.
    """
    if name not in WORKS:
        raise DataError(_unfit(name, "fan works", WORKS))
    return WORKS[name]


def locate(source: Source, path: Path | None = None) -> Located:
    """Find the files of a data set: the given file or folder, else JUBAKO_DATA_DIR, else the cache, else none.

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
    return Located((), "fetched when it is needed" if source.automatic else "generated sample")


def cache_dir() -> Path:
    """Return the folder that `jubako data get` fills: `data` in JUBAKO_CACHE_DIR, or in ~/.cache/jubako."""
    root = os.environ.get(CACHE_DIR)
    return (Path(root) if root else Path.home() / ".cache" / "jubako") / "data"


def _unfit(name: str, what: str, known: Mapping[str, Source]) -> str:
    problem = f"{name} has no {what}; those that do" if name in SOURCES else f"unknown data set {name!r}; known"
    return f"{problem}: {', '.join(known)}"


def _within(source: Source, path: Path) -> tuple[Path, ...]:
    several = len(source.forms[-1]) > 1
    if path.is_file() and not several:
        return (path,)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_file():
        raise DataError(f"{path} is one file, and {source.name} is several; name their folder")
    if found := _held(source, path):
        return found
    raise DataError(f"{path} holds no {source.name}; looked for {' and '.join(map(', '.join, source.forms))}")


def _held(source: Source, folder: Path) -> tuple[Path, ...]:
    """Return the files of the first form that is all there, in the folder or in one of the data set's name in it."""
    for form in source.forms:
        for place in (folder, folder / source.name):
            if all((place / file).is_file() for file in form):
                return tuple(place / file for file in form)
    return ()
