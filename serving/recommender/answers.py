"""What a recommend request asks for and what it comes to, whoever answers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Asked:
    """What a recommend request asks for, its parts as they came; at most one of user, items and record is given."""

    user: object = None
    """{id, history, attributes}, each of which may be missing."""
    items: Sequence[object] | None = None
    """Anchors: ids of items, and records of items that need not be known."""
    record: object = None
    """A single anchor that is a record."""
    k: int = 10
    exclude: Sequence[object] | None = None
    """Ids of items that shall not be recommended."""
    exclude_seen: bool = True
    """Whether what the user's history holds is not recommended either."""
    filters: object = None
    """{required, excluded, any}."""
    diversity: float = 0.0
    """From 0, the best items, to 1, items as unlike each other as can be."""
    explain: bool = False


class Strategy(StrEnum):
    """What an answer rests on."""

    USER = "user"
    ITEMS = "items"
    POPULARITY = "popularity"


@dataclass(frozen=True, slots=True)
class Nearest:
    """The item of the history or of the anchors that is most like the recommended one."""

    kind: ClassVar[str] = "nearest"
    id: str | None
    """None: a record without one."""
    title: str | None
    similarity: np.float32
    """Cosine of the two items' vectors."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the recommended item and the nearest one have in common."""

    kind: ClassVar[str] = "shared"
    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """Where the score comes from; what was not compared with a query has no similarity."""

    kind: ClassVar[str] = "score"
    similarity: np.float32 | None
    """Of the item's vector and the query's as the model compares them: dot product or cosine."""
    cosine: np.float32 | None
    popularity: np.float32
    """The item's share of all interactions in training."""


Reason = Nearest | Shared | ScoreParts


@dataclass(frozen=True, slots=True)
class Item:
    """One recommended item."""

    id: str
    score: np.float32
    title: str | None = None
    reasons: tuple[Reason, ...] | None = None
    """None: not asked for."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request cost; the times of its stages in seconds."""

    tokens: int = 0
    encode_s: float = 0.0
    queue_s: float = 0.0
    compute_s: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.tokens + other.tokens,
            self.encode_s + other.encode_s,
            self.queue_s + other.queue_s,
            self.compute_s + other.compute_s,
        )


@dataclass(frozen=True)
class Recommended:
    """The answer to a recommend request."""

    items: list[Item]
    """Best first."""
    strategy: Strategy
    cold_start: bool
    """Whether the answer rests on no interaction that the model knows of."""
    unknown: list[str]
    """Ids of the request that are no items and were passed over."""
    spent: Spent
