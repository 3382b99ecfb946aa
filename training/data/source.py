"""What we know of a data set before we have it: its files in each form, its terms, and how to read it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from features.labels import Label
from features.records import Kind
from training.data.tables import Tables, our_files, read_ours

OUR_COLUMNS = (frozenset({"user", "item"}), frozenset({"id", "title"}), frozenset({"id"}))


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """A public data set."""

    name: str
    kind: Kind
    """What its items are."""
    about: str
    terms: str
    urls: tuple[str, ...]
    """Of the public form: one archive, one for each file, or `wheel:REQUIREMENT`; empty: only by hand."""
    sha256: tuple[str, ...] = ()
    """Of what the URLs lead to; empty: whatever the public source has now."""
    by_hand: str
    """How a person gets the public files where a download fails."""
    automatic: bool = False
    """Whether training fetches it unasked: it is small and its server asks nobody who they are."""

    @property
    @abstractmethod
    def forms(self) -> tuple[tuple[str, ...], ...]:
        """Names of the files of each form, the public form last; a form is where all of its files are."""


@dataclass(frozen=True, kw_only=True)
class FileSource(Source):
    """A data set that is one file, under whatever name."""

    files: tuple[str, ...]
    """Names under which it is looked for in a folder; the last one is the public file."""
    columns: frozenset[str]
    """Columns that a file of it has, under any of the names that `read` understands."""
    ours: frozenset[str]
    """Columns of our own form of it."""
    read: Callable[[Path], pl.DataFrame]
    """Reads a public file, or Parquet of the same, into our own form."""

    @property
    def forms(self) -> tuple[tuple[str, ...], ...]:
        """Names of the file."""
        return tuple((file,) for file in self.files)


@dataclass(frozen=True, kw_only=True)
class LabelSource(FileSource):
    """Rows with labels: our own form has id, the record's fields, labels and perhaps time."""

    body: str
    """The column with the text."""
    labels: Callable[[Iterable[str]], list[Label]]
    """Adds display names to labels."""
    candidates: tuple[tuple[str, str], ...] = ()
    """Implications between labels that may hold; see `training.data.arrays.holding`."""
    min_count: int = 1
    """Rows from which a label is one of the data set's."""


@dataclass(frozen=True, kw_only=True)
class WorkSource(FileSource):
    """Fan works: our own form has the columns of `training.data.fanworks.SCHEMA`."""


@dataclass(frozen=True)
class Form:
    """One way in which a data set of several files is published."""

    files: Mapping[str, frozenset[str]]
    """Columns of each file by its name; none for files without a header."""
    read: Callable[[Sequence[Path]], Tables]
    """Reads the files, which come in the order of `files`."""


@dataclass(frozen=True, kw_only=True)
class InteractionSource(Source):
    """Who met what, in several files."""

    published: tuple[Form, ...]
    """Forms that it comes in, the public one last; our own is understood besides."""
    untitled: Literal["keep", "drop"] = "keep"
    """What becomes, unless told otherwise, of items of which not even the title is known."""

    @property
    def forms(self) -> tuple[tuple[str, ...], ...]:
        """Names of the files of each form, our own first."""
        return tuple(tuple(form.files) for form in self.known)

    @property
    def known(self) -> tuple[Form, ...]:
        """All forms, our own first."""
        ours = dict(zip(our_files(self.name), OUR_COLUMNS, strict=True))
        return (Form(ours, read_ours), *self.published)

    def form_of(self, paths: Sequence[Path]) -> Form:
        """Return the form that files are in, by their names.

        Raises:
            KeyError: they are in none.
        """
        return {tuple(form.files): form for form in self.known}[tuple(path.name for path in paths)]
