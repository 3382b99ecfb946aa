"""Records on disk, one JSON object a line, each found by its position without reading the others."""

import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from bundle.errors import BundleError
from bundle.reading import check_starts, read_array

LINES_FILE = "index/items.jsonl"
OFFSETS_FILE = "index/offsets.npy"


class Lines:
    """Records read by memory map: only what is asked for takes memory."""

    def __init__(self, content: bytes | mmap.mmap, offsets: NDArray[np.int64]) -> None:
        self._content = content
        self._offsets = offsets  # [records + 1], in bytes

    @staticmethod
    def write(root: Path, records: Sequence[Mapping[str, Any]]) -> None:
        """Write records, whose values JSON can hold."""
        offsets = np.zeros(len(records) + 1, dtype=np.int64)
        with (root / LINES_FILE).open("wb") as file:
            for position, record in enumerate(records):
                line = orjson.dumps(dict(record), option=orjson.OPT_APPEND_NEWLINE)
                offsets[position + 1] = offsets[position] + file.write(line)
        np.save(root / OFFSETS_FILE, offsets, allow_pickle=False)

    @classmethod
    def read(cls, root: Path, records: int) -> "Lines":
        """Open so many records.

        Raises:
            BundleError: a file is missing, or there are more or fewer.
        """
        offsets = read_array(root, OFFSETS_FILE, np.int64, [records + 1])
        try:
            content = _mapped(root / LINES_FILE)
        except OSError as error:
            raise BundleError(f"{LINES_FILE}: cannot be read ({error})") from error
        check_starts(f"{LINES_FILE} and {OFFSETS_FILE}", offsets, len(content))
        return cls(content, offsets)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, position: int) -> dict[str, Any]:
        """Return the record at a position, from 0.

        Raises:
            BundleError: what is written there is no JSON object.
        """
        line = self._content[self._offsets[position] : self._offsets[position + 1]]
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BundleError(f"{LINES_FILE}: line {position + 1} is not JSON ({error})") from error
        if not isinstance(record, dict):
            raise BundleError(f"{LINES_FILE}: line {position + 1} is not an object")
        return record


def _mapped(path: Path) -> bytes | mmap.mmap:
    """Map a file; an empty one, which cannot be mapped, is read."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
