"""Arrays and lists as a bundle holds them, read with errors that name the file. None of them holds Python objects."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import orjson

from bundle.errors import BundleError
from features.rows import Array


def read_array(
    root: Path, file: str, dtype: type[np.generic], shape: Sequence[int | None], mapped: bool = False
) -> Array:
    """Read an NPY file; `mapped` leaves it on disk and reads what is touched.

    Args:
        root: the bundle's folder.
        file: path below it.
        dtype: what it has to hold.
        shape: what it has to measure; None: any length.
        mapped: whether to memory-map it.

    Raises:
        BundleError: it is missing, is no such file, or holds or measures something else.
    """
    with _telling(file):
        array: Array = np.load(root / file, mmap_mode="r" if mapped else None, allow_pickle=False)
        check_array(file, array, dtype, shape)
    return array


def read_arrays(root: Path, file: str) -> dict[str, Array]:
    """Read all arrays of an NPZ file.

    Raises:
        BundleError: it is missing, is no such file, or holds Python objects.
    """
    with _telling(file), (root / file).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return dict(arrays)


def read_strings(root: Path, file: str) -> list[str]:
    """Read a JSON list of strings.

    Raises:
        BundleError: it is missing or something else.
    """
    with _telling(file):
        values = orjson.loads((root / file).read_bytes())
    return _strings(file, values)


def check_array(what: str, array: Array, dtype: type[np.generic], shape: Sequence[int | None]) -> None:
    """Check type and measures of an array.

    Raises:
        BundleError: naming `what`.
    """
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    if array.dtype != dtype or not fits:
        measures = " x ".join("any" if want is None else str(want) for want in shape)
        found = " x ".join(map(str, array.shape))
        raise BundleError(f"{what}: {array.dtype} {found}, expected {np.dtype(dtype)} {measures}; export it again")


def pack_strings(values: Sequence[str]) -> Array:
    """Return strings as an array of the bytes of a JSON list: one long string does not make all others as wide."""
    return np.frombuffer(orjson.dumps(list(values)), dtype=np.uint8)


def unpack_strings(what: str, packed: Array) -> list[str]:
    """Return the strings that were packed.

    Raises:
        BundleError: naming `what`, when it is no list of strings.
    """
    with _telling(what):
        values = orjson.loads(packed.tobytes())
    return _strings(what, values)


def check_starts(what: str, starts: Array, entries: int) -> None:
    """Check that `starts` [lists + 1] cuts a run of `entries` values into lists.

    Raises:
        BundleError: naming `what`.
    """
    if not len(starts) or starts[0] != 0 or starts[-1] != entries or bool((np.diff(starts) < 0).any()):
        raise BundleError(f"{what}: does not cut {entries} entries into lists; export it again")


def check_positions(what: str, positions: Array, items: int) -> None:
    """Check that positions are those of items.

    Raises:
        BundleError: naming `what`.
    """
    if len(positions) and not 0 <= int(positions.min()) <= int(positions.max()) < items:
        raise BundleError(f"{what}: names items beyond the {items} of the catalogue; export it again")


def _strings(what: str, values: object) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BundleError(f"{what}: is not a list of strings")
    return values


@contextmanager
def _telling(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BundleError(f"{what}: cannot be read ({error})") from error
