"""From protobuf's Struct to the values of a JSON document."""

from google.protobuf.struct_pb2 import Struct, Value

EXACT = 2.0**53
"""Up to here every whole float is one integer."""


def fields_of(struct: Struct) -> dict[str, object]:
    """Return a Struct as the object that it was before it came here: whole numbers are integers again."""
    return {name: _value(value) for name, value in struct.fields.items()}


def _value(value: Value) -> object:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return _number(value.number_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return fields_of(value.struct_value)
    if kind == "list_value":
        return [_value(each) for each in value.list_value.values]
    return None


def _number(number: float) -> int | float:
    return int(number) if number.is_integer() and abs(number) <= EXACT else number
