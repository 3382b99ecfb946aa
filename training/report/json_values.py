"""What was measured, as values that JSON has."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import numpy as np


def json_values(value: object) -> object:
    """Return JSON values: floats to six digits, arrays as lists, what is not finite as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: json_values(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): json_values(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return json_values(value.tolist())
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
