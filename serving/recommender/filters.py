"""Which items a request allows: conditions on the values of their fields."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bundle.catalogue import Catalogue
from bundle.facets import normal
from features.lenient import type_of
from serving.errors import Code, JubakoError

CONDITIONS = ("required", "excluded", "any")
MOST_VALUES = 256
"""Values in the filters of one request; each costs a pass over the catalogue."""

Values = Mapping[str, tuple[str, ...]]
"""Values by field, in the form in which they are compared."""


@dataclass(frozen=True)
class Filters:
    """Conditions that all have to hold."""

    required: Values = field(default_factory=dict)
    """An item has every one of these values."""
    excluded: Values = field(default_factory=dict)
    """An item has none of them."""
    any: Values = field(default_factory=dict)
    """Of each of these fields an item has at least one of the values."""

    def __bool__(self) -> bool:
        return bool(self.required or self.excluded or self.any)

    def allowed(self, catalogue: Catalogue) -> NDArray[np.int64] | None:
        """Return the sorted positions of the items that meet all conditions; None: there are no conditions.

        Raises:
            JubakoError: `invalid_value`, naming the fields there are, for one that there is not.
        """
        if not self:
            return None
        self._check_fields(catalogue.fields)
        allowed = np.ones(len(catalogue), dtype=np.bool_)  # [items]
        for name, value in _each(self.required):
            allowed &= _having(catalogue, name, (value,))
        for name, values in self.any.items():
            allowed &= _having(catalogue, name, values)
        for name, value in _each(self.excluded):
            allowed[catalogue.positions(name, value)] = False
        return np.flatnonzero(allowed)

    def _check_fields(self, known: Sequence[str]) -> None:
        for condition, values in zip(CONDITIONS, (self.required, self.excluded, self.any), strict=True):
            for name in values:
                if name not in known:
                    there = ", ".join(known) or "none"
                    message = f"cannot filter by {name!r}; fields that can be filtered by: {there}"
                    raise JubakoError(Code.INVALID_VALUE, message, param=f"filters.{condition}.{name}")


def read_filters(value: object) -> Filters:
    """Read {required, excluded, any}, each an object of fields with a value or a list of values.

    Raises:
        JubakoError: `invalid_value` for another shape, for a value that is both required and excluded, and where all
            values of which one is wanted are excluded; `too_large` for more than `MOST_VALUES` values.
    """
    if value is None:
        return Filters()
    if not isinstance(value, dict):
        raise _invalid(f"filters must be an object with {', '.join(CONDITIONS)}, not {type_of(value)}", "filters")
    if unknown := [str(key) for key in value if key not in CONDITIONS]:
        message = f"filters have no condition {unknown[0]!r}; there are {', '.join(CONDITIONS)}"
        raise _invalid(message, f"filters.{unknown[0]}")
    filters = Filters(*(_read_values(value.get(name), f"filters.{name}") for name in CONDITIONS))
    count = sum(len(values) for each in (filters.required, filters.excluded, filters.any) for values in each.values())
    if count > MOST_VALUES:
        message = f"{count} values in the filters of one request, the limit is {MOST_VALUES}"
        raise JubakoError(Code.TOO_LARGE, message, param="filters")
    _refuse_contradictions(filters)
    return filters


def _read_values(fields: object, param: str) -> dict[str, tuple[str, ...]]:
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise _invalid(f"{param} must be an object of fields and values, not {type_of(fields)}", param)
    return {str(name): _read_list(given, f"{param}.{name}") for name, given in fields.items()}


def _read_list(given: object, param: str) -> tuple[str, ...]:
    values = given if isinstance(given, list) else [given]
    if not values:
        raise _invalid(f"{param} names no value; name at least one or leave the field out", param)
    return tuple(dict.fromkeys(_read_value(value, param) for value in values))


def _read_value(value: object, param: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _invalid(f"a value to filter by is a string or an integer, not {type_of(value)}", param)
    text = normal(str(value))
    if not text:
        raise _invalid("a value to filter by is blank", param)
    return text


def _refuse_contradictions(filters: Filters) -> None:
    for name, excluded in filters.excluded.items():
        both = [value for value in filters.required.get(name, ()) if value in excluded]
        if both:
            raise _invalid(f"{name} is both required and excluded to be {both[0]!r}", f"filters.excluded.{name}")
        wanted = filters.any.get(name, ())
        if wanted and set(wanted) <= set(excluded):
            raise _invalid(f"every value of which {name} shall have any is excluded", f"filters.excluded.{name}")


def _each(values: Values) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, several in values.items() for value in several)


def _having(catalogue: Catalogue, name: str, values: Sequence[str]) -> NDArray[np.bool_]:
    having = np.zeros(len(catalogue), dtype=np.bool_)  # [items]
    for value in values:
        having[catalogue.positions(name, value)] = True
    return having


def _invalid(message: str, param: str) -> JubakoError:
    return JubakoError(Code.INVALID_VALUE, message, param=param)
