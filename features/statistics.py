"""What an archive counts about a work, and the thirteen numbers that follow from it."""

import math
import re
from datetime import date
from typing import Annotated, ClassVar, NamedTuple

from pydantic import BeforeValidator

from features.lenient import Count, Day, count, type_of
from features.record import Part

CHAPTERS = re.compile(r"([0-9,]+)\s*(?:/\s*([0-9,]+|\?)?)?")

MEASURES = (
    "hits",
    "kudos",
    "words",
    "comments",
    "bookmarks",
    "complete_chapters",
    "total_chapters",
    "is_complete",
    "words_per_chapter",
    "publish_year",
    "update_year",
    "days_between_publish_update",
    "days_per_chapter",
)


class Chapters(NamedTuple):
    """How far a work has come; all NaN where that is not told."""

    complete: float
    total: float
    """0 where the author has not said how many there will be."""
    is_complete: float
    """1 for a work that is done, 0 for one that is not."""


UNTOLD = Chapters(math.nan, math.nan, math.nan)


def parse_chapters(text: str) -> Chapters:
    """Read "3/5", "3/?", or "7", which is a work of seven chapters that is done; a blank tells nothing.

    Raises:
        ValueError: it is none of these.
    """
    if not text.strip():
        return UNTOLD
    found = CHAPTERS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"must be written like '3/5', '3/?' or '7', not {text[:40]!r}")
    complete = float(count(found[1]) or 0)
    if "/" not in text:
        return Chapters(complete, complete, 1.0)
    total = float(count(found[2]) or 0) if found[2] and found[2] != "?" else 0.0
    return Chapters(complete, total, float(0 < total <= complete))


def _chapters(value: object) -> str:
    if isinstance(value, str):
        parse_chapters(value)
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(count(value))
    raise ValueError(f"must be a string like '3/5' or a number, not {type_of(value)}")


class Statistics(Part):
    """What an archive counts about a work; None: not told."""

    words: Count = None
    hits: Count = None
    kudos: Count = None
    comments: Count = None
    bookmarks: Count = None
    chapters: Annotated[str, BeforeValidator(_chapters)] = ""
    """Published and planned: "3/5", "3/?", or "7"."""
    published: Day = None
    updated: Day = None
    """None: not since it was published."""

    aliases: ClassVar[dict[str, str]] = {"status": "updated"}

    def numbers(self) -> list[float]:
        """Return the numbers named by `MEASURES`: counts, years, days; NaN for what is not known, never infinite."""
        counts = [_number(each) for each in (self.hits, self.kudos, self.words, self.comments, self.bookmarks)]
        chapters = parse_chapters(self.chapters)
        each = max(1.0, chapters.complete)  # in this order NaN gives 1; words of no finished chapter are in a first one
        days = _days(self.published, self.updated)
        last = self.updated or self.published
        years = [float(day.year) if day else math.nan for day in (self.published, last)]
        return [*counts, *chapters, _number(self.words) / each, *years, days, days / each]


def _number(value: int | None) -> float:
    return math.nan if value is None else float(value)


def _days(published: date | None, updated: date | None) -> float:
    if published is None:
        return math.nan
    return float(max((updated - published).days, 0)) if updated else 0.0
