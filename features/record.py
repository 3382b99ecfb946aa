"""What all records have in common: how they are read, and how features and filters get at what is in them.

Fields are checked strictly, values are taken as they come: a misspelt field is a mistake that would cost accuracy in
silence, while a missing author or a list of authors is how the world writes records down.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from features.clean import Cleaning
from features.lenient import type_of


class RecordError(ValueError):
    """A value that is no record; the message tells what to send instead."""

    def __init__(self, param: str | None, message: str) -> None:
        super().__init__(message)
        self.param = param
        """The field at fault; None: the record as a whole."""
        self.message = message


class Record(BaseModel):
    """Base of the records; compared by content, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body: ClassVar[str] = ""
    """The field that a bare string stands for; empty: a string is no such record."""
    essential: ClassVar[tuple[str, ...]] = ()
    """The fields of which one at least must hold text; empty: none has to."""
    aliases: ClassVar[Mapping[str, str]] = {}
    """Other names that fields go by."""
    measures: ClassVar[tuple[str, ...]] = ()
    """Names of the numbers that `numbers` gives."""

    def values(self, source: str) -> list[str]:
        """Return the strings of a field by its dotted path ("author", "tags.fandom"), in order; none where absent."""
        return strings_at(self, source.split("."))

    def numbers(self) -> list[float]:
        """Return the record's numbers in the order of `measures`; NaN for what is not known."""
        return []

    def text(self, fields: Sequence[str], cleaning: Cleaning) -> str:
        """Return the one text that a model sees: the fields in order, each cleaned, one to a line, empty ones left out.

        The result is empty when nothing is left of any field.
        """
        cleaned = (cleaning.clean(", ".join(self.values(field))) for field in fields)
        return "\n".join(part for part in cleaned if part)


class Part(BaseModel):
    """Base of what a record has in one of its fields: an object of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    aliases: ClassVar[Mapping[str, str]] = {}
    """Other names that fields go by."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if value is None:
            return {}
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(f"must be an object with {known_fields(cls)}, not {type_of(value)}")
        return renamed(cls, cls.aliases, value, "")


R = TypeVar("R", bound=Record)


def read_record(model: type[R], value: object) -> R:
    """Read an object, or a bare string as the record's body; whether it holds text does not matter.

    Raises:
        RecordError: it is neither, a field is unknown, or a value is none that the field could hold.
    """
    kind = model.__name__.lower()
    a_kind = f"an {kind}" if kind[0] in "aeio" else f"a {kind}"
    if isinstance(value, model):
        return value
    if isinstance(value, str) and model.body:
        value = {model.body: value}
    if not isinstance(value, dict):
        wanted = "a string or an object" if model.body else "an object"
        raise RecordError(None, f"{a_kind} is {wanted} with {known_fields(model)}, not {type_of(value)}")
    fields = renamed(model, model.aliases, value, f"{a_kind} ")
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _refused(error) from error


def renamed(
    model: type[BaseModel], aliases: Mapping[str, str], value: Mapping[Any, Any], subject: str
) -> dict[str, object]:
    """Return an object with each field under its own name; messages begin with `subject`.

    Raises:
        RecordError: a field is unknown, or given under two names.
    """
    fields: dict[str, object] = {}
    given: dict[str, object] = {}
    for key, content in value.items():
        name = aliases.get(key, key)
        if name not in model.model_fields:
            raise RecordError(str(key), f"{subject}has no field {str(key)!r}; its fields: {known_fields(model)}")
        if name in given:
            raise RecordError(key, f"{subject}has {given[name]!r} and {key!r}, two names of one field; send one")
        fields[name], given[name] = content, key
    return fields


def known_fields(model: type[BaseModel]) -> str:
    """Return the names of a model's fields, for people."""
    return ", ".join(model.model_fields)


def has_source(model: type[BaseModel], source: str) -> bool:
    """Return whether a record of this kind can have something at a dotted path."""
    name, dot, rest = source.partition(".")
    if name not in model.model_fields:
        return False
    within = model.model_fields[name].annotation
    if isinstance(within, type) and issubclass(within, BaseModel):
        return not dot or has_source(within, rest)
    return not dot or get_origin(within) is dict


def strings_at(value: object, path: Sequence[str]) -> list[str]:
    """Return the strings of what a path leads to; those of an object with fields are the ones of its fields."""
    for part in path:
        fields = value if isinstance(value, dict) else getattr(value, "__dict__", NOTHING)
        value = fields.get(part)
    return _strings(value)


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, tuple):
        return list(value)  # fields hold tuples of nothing but strings
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, int | float):
        return [f"{value:.15g}"]
    if isinstance(value, date):
        return [value.isoformat()]
    within = value if isinstance(value, dict) else getattr(value, "__dict__", NOTHING)
    return [text for each in within.values() for text in _strings(each)]


NOTHING: Mapping[str, object] = {}


def _refused(error: ValidationError) -> RecordError:
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    reason = first["msg"].removeprefix("Value error, ")
    return RecordError(field, f"{field!r} {reason}")
