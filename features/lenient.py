"""Types of fields that take values as the world writes them: "1,234", 12.0, "", null, one name or a list of names.

What cannot be meant is refused by a message that completes the sentence "'field' ...". Reading what was read changes
nothing.
"""

import math
import re
from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator

JSON_TYPES = {
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}

LARGEST = 10**10
"""No work has been read more often than there are people."""
YEARS = range(-5000, 2101)
"""Years that something can have been written in."""
DAYS = range(1900, 2101)
"""Years that something can have been published online in, leaving room for the first day of a computer's calendar."""

YEAR = re.compile(r"(-?[0-9]{1,4})(?:[-/.][0-9]{1,2}){0,2}")


def type_of(value: object) -> str:
    """Return what a value is, in JSON's words."""
    return JSON_TYPES.get(type(value), type(value).__name__)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    raise ValueError(f"must be a string, not {type_of(value)}")


def _people(value: object) -> str:
    return ", ".join(_names(value)) if isinstance(value, list | tuple) else _text(value)


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(name for name in map(_text, value) if name)
    text = _text(value)
    return (text,) if text else ()


def _id(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer():  # data frames turn ids that may be missing into floats
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"must be a string or a whole number, not {_told(value)}")


def _optional_id(value: object) -> str | None:
    return None if value is None else _id(value) or None


def _given_id(value: object) -> str:
    if found := _id(value):
        return found
    raise ValueError("must not be empty")


def _ids(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be a list of ids, not {type_of(value)}")
    return tuple(found for found in (_id(each) for each in value if each is not None) if found)


def number(value: object) -> float | None:
    """Return a finite number, thousands separated by commas or not; None for null and for a blank.

    Raises:
        ValueError: it is none.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"must be a number, not {type_of(value)}")
    try:
        found = float(value.replace(",", "") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"must be a finite number, not {_told(value)}")
    return found


def count(value: object) -> int | None:
    """Return a count; None for null, which says nothing, and 0 for a blank, which is how a page shows none.

    Raises:
        ValueError: it is no whole number from 0 to `LARGEST`.
    """
    found = number(value)
    if found is None:
        return None if value is None else 0
    if found != int(found) or not 0 <= found <= LARGEST:
        raise ValueError(f"must be a whole number from 0 to {LARGEST:,}, not {_told(value)}")
    return int(found)


def _year(value: object) -> int | None:
    dated = YEAR.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        found = number(dated[1] if dated else value) or 0.0
    except ValueError:
        found = math.inf
    if not found.is_integer() or int(found) not in YEARS:
        raise ValueError(f"must be a year, such as 1999, not {_told(value)}")
    return int(found) or None


def _day(value: object) -> date | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        found = datetime.fromisoformat(value.strip()).date() if isinstance(value, str) else value
    except ValueError:
        found = None
    if isinstance(found, datetime):
        found = found.date()
    if not isinstance(found, date) or found.year not in DAYS:
        raise ValueError(f"must be a date, such as '2024-05-09', not {_told(value)}")
    return found


def _told(value: object) -> str:
    """Return a value as a message can show it."""
    return repr(value)[:40] if isinstance(value, str | int | float) else type_of(value)


Text = Annotated[str, BeforeValidator(_text)]
People = Annotated[str, BeforeValidator(_people)]
"""One name or several; a list is joined with commas."""
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
"""A string or a list of them; empty ones are left out."""
Id = Annotated[str, BeforeValidator(_given_id)]
OptionalId = Annotated[str | None, BeforeValidator(_optional_id)]
Ids = Annotated[tuple[str, ...], BeforeValidator(_ids)]
"""A list of strings and whole numbers; empty ones are left out."""
Number = Annotated[float | None, BeforeValidator(number)]
Count = Annotated[int | None, BeforeValidator(count)]
Year = Annotated[int | None, BeforeValidator(_year)]
Day = Annotated[date | None, BeforeValidator(_day)]
