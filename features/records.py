"""What models read about things: books, papers and fan works, as callers send them and as data sets hold them."""

from typing import ClassVar, Literal

from features.lenient import Names, OptionalId, People, Text, Year
from features.record import Record, RecordError, read_record
from features.works import Work

__all__ = ["RECORDS", "Book", "Kind", "Paper", "Record", "RecordError", "Work", "parse_record"]

Kind = Literal["book", "paper", "work"]


class Book(Record):
    """A book as its cover, its blurb and its readers tell it."""

    title: Text = ""
    description: Text = ""
    author: People = ""
    """One name or several; a list is joined with commas."""
    id: OptionalId = None
    """What a catalogue calls it."""
    year: Year = None
    """Of its first edition, as far as is known; negative before our era."""
    publisher: Text = ""
    tags: Names = ()
    """Genres, shelves, subjects."""

    body: ClassVar[str] = "description"
    essential: ClassVar[tuple[str, ...]] = ("title", "description")
    aliases: ClassVar[dict[str, str]] = {"authors": "author"}


class Paper(Record):
    """A scientific paper as a listing tells it."""

    title: Text = ""
    abstract: Text = ""

    body: ClassVar[str] = "abstract"
    essential: ClassVar[tuple[str, ...]] = ("title", "abstract")


RECORDS: dict[Kind, type[Book] | type[Paper] | type[Work]] = {"book": Book, "paper": Paper, "work": Work}


def parse_record(kind: Kind, value: object) -> Book | Paper | Work:
    """Read a record, or a bare string as the record's body.

    Raises:
        RecordError: it is neither, a field is unknown or of a wrong type, or no field holds text.
    """
    record: Book | Paper | Work = read_record(RECORDS[kind], value)
    if not any(map(record.values, record.essential)):
        raise RecordError(record.body, f"a {kind} needs text in {' or '.join(map(repr, record.essential))}")
    return record
