"""From the JSON of a recommend request to ids and people; what is wrong is told with its place."""

from collections.abc import Sequence

from features.lenient import type_of
from features.people import User
from features.record import RecordError, read_record
from serving.errors import Code, JubakoError


def read_ids(values: object, param: str, most: int) -> list[str]:
    """Return a list of ids as strings; null is an empty list.

    Stricter than the ids of data sets: what a program sends in an id's place by mistake is not passed over.

    Raises:
        JubakoError: `invalid_value` for the first that is neither a string nor an integer, `too_large` for more than
            `most`.
    """
    if values is None:
        return []
    if not isinstance(values, list | tuple):
        raise JubakoError(Code.INVALID_VALUE, f"{param} must be a list of ids, not {type_of(values)}", param=param)
    if len(values) > most:
        raise JubakoError(Code.TOO_LARGE, f"{len(values)} ids, the limit is {most}; send the latest", param=param)
    return [
        value.strip() if type(value) is str else read_id(value, f"{param}.{place}")
        for place, value in enumerate(values)
    ]


def read_id(value: object, param: str) -> str:
    """Return one id as a string.

    Raises:
        JubakoError: `invalid_value`, as `read_ids`.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise JubakoError(Code.INVALID_VALUE, f"an id is a string or an integer, not {type_of(value)}", param=param)


def read_user(value: object, attributes: Sequence[str], most: int, param: str = "user") -> User:
    """Return the person that is asked for, with the history that was sent, at most `most` ids.

    `attributes` are the names of those that the model reads.

    Raises:
        JubakoError: `invalid_value`, naming the field at fault and what it may be, and `too_large`.
    """
    if not isinstance(value, dict):
        message = f"a user is an object with {', '.join(User.model_fields)}, not {type_of(value)}"
        raise JubakoError(Code.INVALID_VALUE, message, param=param)
    history = read_ids(value.get("history"), f"{param}.history", most)
    given = {**value, "history": None}
    if given.get("id") is not None:
        given["id"] = read_id(given["id"], f"{param}.id")
    try:
        user = read_record(User, given)
    except RecordError as error:
        raise refused(param, error) from error
    _refuse_unread(value.get("attributes"), attributes, f"{param}.attributes")
    return user.model_copy(update={"history": tuple(filter(None, history))})


def refused(param: str, error: RecordError) -> JubakoError:
    """Return the error that tells where in a request a record is at fault."""
    field = "" if error.param is None else f".{error.param}"
    return JubakoError(Code.INVALID_VALUE, error.message, param=f"{param}{field}")


def _refuse_unread(given: object, known: Sequence[str], param: str) -> None:
    for name in given if isinstance(given, dict) else ():
        if name not in known:
            there = f"this model reads {', '.join(known)}" if known else "this model reads none"
            raise JubakoError(Code.INVALID_VALUE, f"unknown attribute {str(name)!r}; {there}", param=f"{param}.{name}")
