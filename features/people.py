"""Who reads, and what they read: the records that a recommender learns from and answers to."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from features.lenient import Id, Ids, Number, OptionalId, number, type_of
from features.record import Record


def _attributes(value: object) -> dict[str, str | float]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"must be an object, such as {{'country': 'usa', 'age': 34}}, not {type_of(value)}")
    found = {str(name): _attribute(str(name), content) for name, content in value.items()}
    return {name: content for name, content in found.items() if content not in ("", None)}


def _attribute(name: str, value: object) -> str | float | None:
    try:
        return value.strip() if isinstance(value, str) else number(value)
    except ValueError as error:
        raise ValueError(f"has {name!r}, which must be a string or a finite number, not {type_of(value)}") from error


def _time(value: object) -> float | None:
    try:
        return number(value)
    except ValueError:
        found = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    if not isinstance(found, datetime):
        raise ValueError(f"must be seconds since 1970 or a date and time, not {type_of(value)}")
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


class User(Record):
    """A reader, known by name, by what they read, by what they are like, or not at all."""

    id: OptionalId = None
    history: Ids = ()
    """Ids of items, the most recent last."""
    attributes: Annotated[dict[str, str | float], BeforeValidator(_attributes)] = Field(default_factory=dict)
    """What else is known, such as country and age."""

    aliases: ClassVar[Mapping[str, str]] = {"user_id": "id"}


class Interaction(Record):
    """That a user met an item."""

    user: Id
    item: Id
    rating: Number = None
    """As the user gave it, on whatever scale; None: they only met."""
    time: Annotated[float | None, BeforeValidator(_time)] = None
    """Seconds since 1970; read from a number or from an ISO date and time, which is UTC where it does not say."""

    aliases: ClassVar[Mapping[str, str]] = {"user_id": "user", "item_id": "item", "timestamp": "time"}
