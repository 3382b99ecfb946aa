"""What a classifier reads: books and papers as callers send them and as data sets hold them.

Fields are checked strictly, values are taken as they come: a misspelt field is a mistake that would cost accuracy in
silence, while a missing author or a list of authors is how the world writes records down.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from features.clean import Cleaning

Kind = Literal["book", "paper"]

JSON_TYPES = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


class RecordError(ValueError):
    """A value that is no record; the message tells what to send instead."""

    def __init__(self, param: str | None, message: str) -> None:
        super().__init__(message)
        self.param = param
        """The field at fault; None: the record as a whole."""
        self.message = message


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    raise ValueError(f"must be a string, not {_type_of(value)}")


def _people(value: object) -> str:
    if not isinstance(value, list | tuple):
        return _text(value)
    return ", ".join(name for name in map(_text, value) if name)


Text = Annotated[str, BeforeValidator(_text)]
People = Annotated[str, BeforeValidator(_people)]


class Record(BaseModel):
    """Base of the records; compared by content, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body: ClassVar[str]
    """The field that a bare string stands for."""
    essential: ClassVar[tuple[str, ...]]
    """The fields of which one at least must hold text."""
    aliases: ClassVar[Mapping[str, str]] = {}
    """Other names that fields go by."""

    def text(self, fields: Sequence[str], cleaning: Cleaning) -> str:
        """Return the one text that a model sees: the fields in order, each cleaned, one to a line, empty ones left out.

        The result is empty when nothing is left of any field.
        """
        cleaned = (cleaning.clean(getattr(self, field)) for field in fields)
        return "\n".join(part for part in cleaned if part)


class Book(Record):
    """A book as its cover and blurb tell it."""

    title: Text = ""
    description: Text = ""
    author: People = ""
    """One name or several; a list is joined with commas."""

    body: ClassVar[str] = "description"
    essential: ClassVar[tuple[str, ...]] = ("title", "description")
    aliases: ClassVar[Mapping[str, str]] = {"authors": "author"}


class Paper(Record):
    """A scientific paper as a listing tells it."""

    title: Text = ""
    abstract: Text = ""

    body: ClassVar[str] = "abstract"
    essential: ClassVar[tuple[str, ...]] = ("title", "abstract")


RECORDS: dict[Kind, type[Book] | type[Paper]] = {"book": Book, "paper": Paper}

R = TypeVar("R", bound=Record)


def parse_record(kind: Kind, value: object) -> Book | Paper:
    """Read a record, or a bare string as the record's body.

    Raises:
        RecordError: it is neither, a field is unknown or of a wrong type, or no field holds text.
    """
    model = RECORDS[kind]
    if isinstance(value, str):
        value = {model.body: value}
    if not isinstance(value, dict):
        raise RecordError(None, f"a {kind} is a string or an object with {_known(model)}, not {_type_of(value)}")
    record = _validated(kind, model, value)
    if not any(getattr(record, field) for field in model.essential):
        raise RecordError(model.body, f"a {kind} needs text in {' or '.join(map(repr, model.essential))}")
    return record


def _validated(kind: Kind, model: type[R], value: dict[Any, Any]) -> R:
    fields: dict[str, object] = {}
    for key, content in value.items():
        name = model.aliases.get(key, key)
        if name not in model.model_fields:
            raise RecordError(str(key), f"a {kind} has no field {str(key)!r}; its fields: {_known(model)}")
        if name in fields:
            raise RecordError(str(key), f"{str(key)!r} is another name of {name!r}; send one of them")
        fields[name] = content
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0])
        reason = first["msg"].removeprefix("Value error, ")
        raise RecordError(field, f"{field!r} {reason}") from error


def _known(model: type[Record]) -> str:
    return ", ".join(model.model_fields)


def _type_of(value: object) -> str:
    return JSON_TYPES.get(type(value), type(value).__name__)
