"""Why an item is recommended: what of the history or the anchors it is most like, what they share, and its score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bundle.catalogue import Catalogue
from bundle.facets import normal, values_in
from features.record import Record
from serving.index.rows import NOTHING, Positions
from serving.recommender.answers import Nearest, Reason, ScoreParts, Shared

MOST_GROUNDS = 256
"""Of a long history the latest are looked at: what was read long ago explains little, and each costs a comparison."""
MOST_SHARED = 5
"""Values of one field that are told."""

Vector = NDArray[np.float32]  # [dimensions]
Vectors = NDArray[np.float32]  # [rows, dimensions]


@dataclass(frozen=True)
class Grounds:
    """The items that an answer rests on: of the catalogue, and records that came with the request."""

    positions: Positions = field(default_factory=lambda: NOTHING)
    """In the catalogue, the most recent last."""
    records: Sequence[Record] = ()
    vectors: Vectors | None = None
    """Of the records, [records, dimensions]."""

    def latest(self) -> "Grounds":
        """Return the grounds that are looked at."""
        return Grounds(self.positions[-MOST_GROUNDS:], self.records, self.vectors)


class Explainer:
    """Gives the reasons of one answer."""

    def __init__(
        self, catalogue: Catalogue, shares: NDArray[np.float32], grounds: Grounds, query: Vector | None
    ) -> None:
        """Take what all answers share, the catalogue and its items' shares of interactions, and this one's parts."""
        self._catalogue = catalogue
        self._shares = shares
        self._grounds = grounds.latest()
        self._query = query
        self._told: dict[int, _Told] = {}
        own = catalogue.vectors[self._grounds.positions]
        brought = self._grounds.vectors
        self._vectors = unit(own if brought is None else np.concatenate([own, brought]))  # [grounds, dimensions]

    def explain(self, positions: Positions, scores: NDArray[np.float32]) -> list[tuple[Reason, ...]]:
        """Return the reasons of each item that was found, both [items]."""
        vectors = unit(self._catalogue.vectors[positions])  # [items, dimensions]
        parts = self._score_parts(positions, vectors, scores)
        if not len(self._vectors):
            return [(part,) for part in parts]
        likeness = vectors @ self._vectors.T  # [items, grounds]
        nearest = likeness.argmax(axis=1)  # [items]
        return [
            (*self._common(at, ground, likeness[row, ground]), parts[row])
            for row, (at, ground) in enumerate(zip(positions.tolist(), nearest.tolist(), strict=True))
        ]

    def _common(self, position: int, ground: int, similarity: np.float32) -> list[Reason]:
        if ground not in self._told:
            self._told[ground] = self._tell(ground)
        near, item = self._told[ground], self._catalogue.record_of(position)
        reasons: list[Reason] = [Nearest(near.name, near.title, similarity)]
        for field_name, theirs in near.values.items():
            values = [value for value in values_in(item, field_name) if normal(value) in theirs]
            if values:
                reasons.append(Shared(field_name, tuple(dict.fromkeys(values))[:MOST_SHARED]))
        return reasons

    def _tell(self, ground: int) -> "_Told":
        positions = self._grounds.positions
        if ground < len(positions):
            position = int(positions[ground])
            record = self._catalogue.record_of(position)
            name: str | None = self._catalogue.ids[position]
        else:
            record = self._grounds.records[ground - len(positions)].model_dump()
            name = record.get("id")
        title = record.get("title")
        values = {each: set(map(normal, values_in(record, each))) for each in self._catalogue.fields}
        return _Told(name, title if isinstance(title, str) and title else None, values)

    def _score_parts(self, positions: Positions, vectors: Vectors, scores: NDArray[np.float32]) -> list[ScoreParts]:
        shares = self._shares[positions]  # [items]
        if self._query is None:
            return [ScoreParts(None, None, share) for share in shares]
        cosines = vectors @ unit(self._query[None])[0]  # [items]
        return [ScoreParts(*row) for row in zip(scores, cosines, shares, strict=True)]


class _Told(NamedTuple):
    """What of a ground reasons are made of."""

    name: str | None
    title: str | None
    values: Mapping[str, set[str]]
    """By field, in the form in which they are compared."""


def unit(vectors: Vectors) -> Vectors:
    """Return vectors of unit length, [rows, dimensions]; one of zeros stays as it is."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)  # [rows, 1]
    scaled: Vectors = vectors / np.maximum(norms, np.float32(1e-12))
    return scaled
