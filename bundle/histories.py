"""What the users known from training have read: the items that a served user id stands for.

`index/histories.npz` holds positions in the catalogue, user after user, and where each user's begin; `index/users.json`
holds the users' ids in the same order, `index/attributes.json` what else is known of those of whom anything is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from bundle.errors import BundleError
from bundle.reading import check_array, check_positions, check_starts, read_arrays, read_strings

HISTORIES_FILE = "index/histories.npz"
USERS_FILE = "index/users.json"
ATTRIBUTES_FILE = "index/attributes.json"


@dataclass(frozen=True, eq=False)
class Histories:
    """Histories by user id."""

    starts: NDArray[np.int64]  # [users + 1]
    positions: NDArray[np.int32]  # [interactions]
    _numbers: dict[str, int] = field(repr=False)
    _attributes: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @staticmethod
    def write(
        root: Path,
        user_ids: Sequence[str],
        starts: NDArray[np.int64],
        positions: NDArray[np.int64],
        attributes: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Write histories into the bundle's folder.

        Args:
            root: folder of the bundle.
            user_ids: each once.
            starts: [users + 1], where each user's positions begin (`indptr` of a CSR matrix).
            positions: [interactions] in the catalogue, each user's in the order in which they are to be read.
            attributes: what else the user encoder read of each user in training; none: nothing of anybody.

        Raises:
            BundleError: the arguments do not fit each other.
        """
        _check(user_ids, starts)
        check_starts(HISTORIES_FILE, starts, len(positions))
        if attributes and len(attributes) != len(user_ids):
            raise BundleError(f"{ATTRIBUTES_FILE}: attributes of {len(attributes)} users for {len(user_ids)}")
        (root / HISTORIES_FILE).parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {"starts": starts.astype(np.int64), "positions": positions.astype(np.int32)}
        np.savez(root / HISTORIES_FILE, **arrays)
        (root / USERS_FILE).write_bytes(orjson.dumps(list(user_ids)))
        known = {user: dict(told) for user, told in zip(user_ids, attributes, strict=False) if told}
        (root / ATTRIBUTES_FILE).write_bytes(orjson.dumps(known))

    @classmethod
    def read(cls, root: Path, items: int) -> "Histories":
        """Open the histories over a catalogue of so many items.

        Raises:
            BundleError: a file is missing or damaged, or does not fit the others; it is named.
        """
        users, arrays = read_strings(root, USERS_FILE), read_arrays(root, HISTORIES_FILE)
        if arrays.keys() != {"starts", "positions"}:
            raise BundleError(f"{HISTORIES_FILE}: holds {sorted(arrays)}, expected positions and starts")
        starts, positions = arrays["starts"], arrays["positions"]
        check_array(HISTORIES_FILE, starts, np.int64, [None])
        check_array(HISTORIES_FILE, positions, np.int32, [None])
        _check(users, starts)
        check_starts(HISTORIES_FILE, starts, len(positions))
        check_positions(HISTORIES_FILE, positions, items)
        numbers = {name: number for number, name in enumerate(users)}
        return cls(starts, positions, numbers, _read_attributes(root, numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    def attributes_of(self, user_id: str) -> Mapping[str, Any]:
        """Return what else is known of a user; empty for one who is not."""
        return self._attributes.get(user_id, {})

    def of(self, user_id: str) -> NDArray[np.int64] | None:
        """Return the positions of what a user has read, in the order they were written; None: an unknown user."""
        number = self._numbers.get(user_id)
        if number is None:
            return None
        return self.positions[self.starts[number] : self.starts[number + 1]].astype(np.int64)


def _read_attributes(root: Path, users: Mapping[str, int]) -> Mapping[str, Mapping[str, Any]]:
    try:
        found = orjson.loads((root / ATTRIBUTES_FILE).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise BundleError(f"{ATTRIBUTES_FILE}: cannot be read ({error})") from error
    if not isinstance(found, dict) or not all(isinstance(told, dict) for told in found.values()):
        raise BundleError(f"{ATTRIBUTES_FILE}: is no object of objects; export it again")
    if stranger := next((user for user in found if user not in users), None):
        raise BundleError(f"{ATTRIBUTES_FILE}: tells of {stranger!r}, who has no history")
    return found


def _check(users: Sequence[str], starts: NDArray[np.int64]) -> None:
    if len(starts) != len(users) + 1:
        raise BundleError(f"{HISTORIES_FILE}: {len(starts) - 1} histories for {len(users)} users")
    if len(set(users)) != len(users):
        raise BundleError(f"{USERS_FILE}: an id stands for two users")
