"""Fan works as their archive shows them: tags of six kinds and more, counts, chapters and dates."""

from typing import ClassVar

from features.lenient import Names, OptionalId, Text
from features.record import Part, Record
from features.statistics import MEASURES, Statistics

SPARSE = (
    "tags.fandom",
    "tags.category",
    "tags.rating",
    "tags.character",
    "tags.relationship",
    "tags.freeform",
    "authors",
)
"""Sources of a work's seven sparse fields."""
DENSE = (*MEASURES, "characters_in_summary", "words_in_summary", "5times_in_title", "hiatus_in_summary")
"""Names of a work's seventeen dense features, in the order of AO3 Disco."""


class Tags(Part):
    """A work's tags by kind; each a list or a single string."""

    fandom: Names = ()
    category: Names = ()
    """Of relationships: "F/M", "Gen", ..."""
    rating: Names = ()
    character: Names = ()
    relationship: Names = ()
    freeform: Names = ()
    warning: Names = ()


class Work(Record):
    """A fan work; everything about it may be missing."""

    id: OptionalId = None
    title: Text = ""
    authors: Names = ()
    summary: Text = ""
    tags: Tags = Tags()
    statistics: Statistics = Statistics()
    language: Text = ""

    body: ClassVar[str] = "summary"
    essential: ClassVar[tuple[str, ...]] = ("title", "summary", "tags")
    aliases: ClassVar[dict[str, str]] = {"work_id": "id", "author": "authors"}
    measures: ClassVar[tuple[str, ...]] = DENSE

    def numbers(self) -> list[float]:
        """Return the seventeen dense features in the order of `DENSE`, unscaled; NaN for what is not known."""
        summary = self.summary.lower()
        return [
            *self.statistics.numbers(),
            float(len(summary)),
            float(len(summary.split())),
            float("5 times" in self.title.lower()),
            float("hiatus" in summary or "abandoned" in summary),
        ]
