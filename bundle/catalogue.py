"""The catalogue of a recommender: what can be recommended, where it lies among the vectors, and what is known of it.

Written by export and read by serving, all of it below `index/` of the bundle:

    vectors.npy      float32 [items, dimensions], read by memory map
    popularity.npy   float32 [items]: interactions in training
    ids.json         the ids of the items, by position
    items.jsonl      one JSON object for each item: what may be shown or filtered by; offsets.npy says where each begins
    facets.npz       which items have which values, for filters
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from bundle.errors import BundleError
from bundle.facets import Facets, Positions, values_in
from bundle.lines import Lines
from bundle.reading import read_array, read_strings

INDEX_FOLDER = "index"
VECTORS_FILE = "index/vectors.npy"
POPULARITY_FILE = "index/popularity.npy"
IDS_FILE = "index/ids.json"

MAX_ITEMS = 1 << 24
"""Positions travel as float32, which counts exactly up to here."""

_BLOCK = 65_536


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items by position, from 0: the order of `ids`, `vectors` and `popularity` is the same."""

    ids: tuple[str, ...]
    vectors: NDArray[np.float32]  # [items, dimensions], on disk
    popularity: NDArray[np.float32]  # [items]
    _lines: Lines
    _facets: Facets
    _positions: Mapping[str, int] = field(repr=False)

    @staticmethod
    def write(
        root: Path,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        records: Sequence[Mapping[str, Any]],
        facet_fields: Sequence[str],
        popularity: NDArray[np.float32],
    ) -> None:
        """Write a catalogue into the bundle's folder.

        Args:
            root: folder of the bundle.
            ids: of the items, each once.
            vectors: [items, dimensions], finite.
            records: what may be shown or filtered by; `title` is the one that people know an item by.
            facet_fields: dotted paths into the records that filters may name.
            popularity: [items], not negative.

        Raises:
            BundleError: the arguments do not fit each other, or there are more than `MAX_ITEMS`.
        """
        if not len(ids) == len(vectors) == len(records) == len(popularity):
            measures = f"{len(ids)} ids, {len(vectors)} vectors, {len(records)} records, {len(popularity)} counts"
            raise BundleError(f"a catalogue needs one of each for every item, not {measures}")
        _check_ids(ids)
        _check_finite(VECTORS_FILE, vectors)
        _check_finite(POPULARITY_FILE, popularity)
        (root / INDEX_FOLDER).mkdir(parents=True, exist_ok=True)
        np.save(root / VECTORS_FILE, np.ascontiguousarray(vectors, dtype=np.float32), allow_pickle=False)
        np.save(root / POPULARITY_FILE, np.asarray(popularity, dtype=np.float32), allow_pickle=False)
        (root / IDS_FILE).write_bytes(orjson.dumps(list(ids)))
        Lines.write(root, records)
        Facets.build(records, facet_fields).write(root)

    @classmethod
    def read(cls, root: Path) -> "Catalogue":
        """Open the catalogue of the bundle in `root`.

        Raises:
            BundleError: a file is missing or damaged, or does not fit the others; it is named.
        """
        ids = tuple(read_strings(root, IDS_FILE))
        _check_ids(ids)
        vectors = read_array(root, VECTORS_FILE, np.float32, [len(ids), None], mapped=True)
        popularity = read_array(root, POPULARITY_FILE, np.float32, [len(ids)])
        _check_finite(VECTORS_FILE, vectors)
        _check_finite(POPULARITY_FILE, popularity)
        if not vectors.flags.c_contiguous:
            raise BundleError(f"{VECTORS_FILE}: is laid out by columns; export it again")
        positions = {name: position for position, name in enumerate(ids)}
        return cls(ids, vectors, popularity, Lines.read(root, len(ids)), Facets.read(root, len(ids)), positions)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that filters may name."""
        return self._facets.fields

    def position_of(self, item_id: str) -> int | None:
        """Return where an item lies; None: there is no such item."""
        return self._positions.get(item_id)

    def record_of(self, position: int) -> dict[str, Any]:
        """Return what may be shown of an item."""
        return self._lines[position]

    def title_of(self, position: int) -> str | None:
        """Return an item's title; None: it has none."""
        title = self._lines[position].get("title")
        return title if isinstance(title, str) and title else None

    def positions(self, field: str, value: str) -> Positions:
        """Return the sorted positions of the items whose `field` has `value`, however that is cased.

        Raises:
            KeyError: the field is not among `fields`.
        """
        return self._facets.positions(field, value)

    def values_of(self, position: int, field: str) -> list[str]:
        """Return the values of an item's field, as they are written."""
        return values_in(self._lines[position], field)


def _check_ids(ids: Sequence[str]) -> None:
    if len(ids) >= MAX_ITEMS:
        raise BundleError(f"{IDS_FILE}: {len(ids):,} items, the bound is {MAX_ITEMS:,}; divide the catalogue")
    if len(set(ids)) != len(ids):
        raise BundleError(f"{IDS_FILE}: an id stands for two items")


def _check_finite(file: str, values: NDArray[np.float32]) -> None:
    for begin in range(0, len(values), _BLOCK):
        if not np.isfinite(values[begin : begin + _BLOCK]).all():
            raise BundleError(f"{file}: holds values that are not finite; train or export the model again")
