"""From the bytes or the fields of a request to the body that its schema describes, or the first fault."""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from serving.errors import Code, JubakoError

BOM = b"\xef\xbb\xbf"
UTF_8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
BodyT = TypeVar("BodyT", bound=BaseModel)


def parse(schema: type[BodyT], body: bytes, content_type: str | None) -> BodyT:
    """Parse and validate a JSON body in one pass. Of a key that comes twice the last value counts.

    Raises:
        JubakoError: `malformed` when it is not JSON, `wrong_media_type` when it does not even claim to be or is in
            another charset than UTF-8, `invalid_value` naming the first field at fault.
    """
    if content_type is not None and "charset" in content_type:
        _refuse_other_charsets(content_type)
    try:
        return schema.model_validate_json(body, strict=True)  # "8" is no number, and 1 is not true
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
    if body.startswith(BOM) and not body.startswith(BOM, len(BOM)):  # as some shells on Windows send it
        return parse(schema, body.removeprefix(BOM), content_type)
    if errors[0]["type"] != "json_invalid":
        raise _at_fault(errors)
    if content_type is not None and "json" not in content_type:
        raise JubakoError(
            Code.WRONG_MEDIA_TYPE, f"the body is {content_type}; send JSON with content-type: application/json"
        )
    raise JubakoError(Code.MALFORMED, f"the body is not valid JSON: {errors[0]['msg']}")


def _refuse_other_charsets(content_type: str) -> None:
    charset = content_type.partition("charset=")[2].partition(";")[0].strip(' "')
    if charset.lower() not in UTF_8:
        message = f"the body is in {charset or 'an unnamed charset'}; JSON is UTF-8: leave the charset out"
        raise JubakoError(Code.WRONG_MEDIA_TYPE, message, param="content-type")


def validated(schema: type[BodyT], fields: dict[str, Any]) -> BodyT:
    """Hold the fields of a request that came in another form than JSON to the same schema.

    Raises:
        JubakoError: `invalid_value` naming the first field at fault.
    """
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        raise _at_fault(error.errors(include_url=False, include_input=False)) from error


def _at_fault(errors: Sequence[ErrorDetails]) -> JubakoError:
    first = errors[0]
    param = str(first["loc"][0]) if first["loc"] else None
    reasons = " or ".join(each["msg"] for each in errors if each["loc"][:1] == first["loc"][:1])
    return JubakoError(Code.INVALID_VALUE, f"{param or 'the body'}: {reasons}", param=param)
