"""Which items have which value of which field: the inverted lists that filters are answered from.

`index/facets.npz` holds, for each field, its values, and for each value the sorted positions of the items that have it:
the lists one after the other, and where each begins. Values are compared casefolded, with white space made one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import BundleError
from bundle.reading import check_array, check_positions, check_starts, pack_strings, read_arrays, unpack_strings
from features.rows import Array

FACETS_FILE = "index/facets.npz"

Positions = NDArray[np.int64]  # [items], sorted, each once

_NONE: Positions = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class _Field:
    numbers: Mapping[str, int]
    """Of the values."""
    starts: NDArray[np.int64]  # [values + 1]
    positions: NDArray[np.int32]  # [entries]


class Facets:
    """The inverted lists of some fields."""

    def __init__(self, found: Mapping[str, _Field]) -> None:
        self.fields = tuple(found)
        self._found = found

    @classmethod
    def build(cls, records: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> "Facets":
        """Collect the values of `fields`, dotted paths into the records."""
        return cls({field: _collect(records, field) for field in fields})

    @classmethod
    def read(cls, root: Path, items: int) -> "Facets":
        """Read the lists of a catalogue of so many items.

        Raises:
            BundleError: the file is missing, is another, or does not fit.
        """
        arrays = read_arrays(root, FACETS_FILE)
        if "fields" not in arrays:
            raise BundleError(f"{FACETS_FILE}: does not tell its fields; export it again")
        fields = unpack_strings(FACETS_FILE, arrays["fields"])
        return cls({field: _restore(arrays, number, items) for number, field in enumerate(fields)})

    def write(self, root: Path) -> None:
        """Write the lists."""
        arrays: dict[str, Any] = {"fields": pack_strings(self.fields)}
        for number, field in enumerate(self._found.values()):
            parts = (pack_strings(list(field.numbers)), field.starts, field.positions)
            arrays.update(zip(_names(number), parts, strict=True))
        np.savez(root / FACETS_FILE, **arrays)

    def positions(self, field: str, value: str) -> Positions:
        """Return the positions of the items whose `field` has `value`; none where nothing has it.

        Raises:
            KeyError: the field is not among `fields`.
        """
        found = self._found[field]
        number = found.numbers.get(normal(value))
        if number is None:
            return _NONE
        return found.positions[found.starts[number] : found.starts[number + 1]].astype(np.int64)


def values_in(record: object, field: str) -> list[str]:
    """Return the values of a record's field, a dotted path, as they are written; lists on the way are gone through."""
    return list(_walk(record, field.split(".")))


def normal(value: str) -> str:
    """Return the form in which values are compared."""
    return " ".join(value.casefold().split())


def _walk(value: object, keys: Sequence[str]) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _walk(each, keys)
    elif keys:
        if isinstance(value, Mapping) and keys[0] in value:
            yield from _walk(value[keys[0]], keys[1:])
    elif isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, float) and value.is_integer():
        yield str(int(value))
    elif isinstance(value, str | int | float) and (text := str(value)).strip():
        yield text


def _collect(records: Sequence[Mapping[str, Any]], field: str) -> _Field:
    lists: dict[str, list[int]] = {}
    for position, record in enumerate(records):
        for value in dict.fromkeys(map(normal, values_in(record, field))):
            lists.setdefault(value, []).append(position)
    starts = np.cumsum([0, *map(len, lists.values())], dtype=np.int64)  # [values + 1]
    positions = np.fromiter((at for found in lists.values() for at in found), dtype=np.int32, count=int(starts[-1]))
    return _Field(_numbered(list(lists)), starts, positions)


def _restore(arrays: Mapping[str, Array], number: int, items: int) -> _Field:
    names = _names(number)
    if lost := [name for name in names if name not in arrays]:
        raise BundleError(f"{FACETS_FILE}: has no array {lost[0]!r}; export it again")
    packed, starts, positions = (arrays[name] for name in names)
    values = unpack_strings(FACETS_FILE, packed)
    check_array(f"{FACETS_FILE} {names[1]}", starts, np.int64, [len(values) + 1])
    check_array(f"{FACETS_FILE} {names[2]}", positions, np.int32, [None])
    check_starts(f"{FACETS_FILE} {names[1]}", starts, len(positions))
    check_positions(f"{FACETS_FILE} {names[2]}", positions, items)
    within = np.ones(max(len(positions) - 1, 0), dtype=np.bool_)  # [entries - 1], whether both are of one list
    inner = starts[1:-1]
    within[inner[(inner > 0) & (inner < len(positions))] - 1] = False
    if bool((np.diff(positions)[within] <= 0).any()):
        raise BundleError(f"{FACETS_FILE} {names[2]}: a list is not sorted; export it again")
    return _Field(_numbered(values), starts, positions)


def _names(number: int) -> tuple[str, str, str]:
    return f"values_{number}", f"starts_{number}", f"positions_{number}"


def _numbered(values: Sequence[str]) -> dict[str, int]:
    return {value: number for number, value in enumerate(values)}
