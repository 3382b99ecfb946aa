"""What the clients return: answers of the HTTP contract, read and typed."""

import base64
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from jubako.errors import ServerError


@dataclass(frozen=True)
class Embeddings:
    """Answer to an embed request."""

    vectors: NDArray[np.float32]
    """[inputs, dimensions]; a row whose input met an error is NaN."""
    errors: dict[int, ServerError]
    """Errors of single inputs, by index."""
    model: str
    version: str
    tokens: int

    @classmethod
    def read(cls, answer: dict[str, Any]) -> Self:
        """Read an answer whose vectors are base64."""
        rows: dict[int, NDArray[np.float32]] = {}
        errors: dict[int, ServerError] = {}
        for item in answer["data"]:
            if "error" in item:
                errors[item["index"]] = ServerError.from_answer(200, item)
            else:
                rows[item["index"]] = np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4")
        dimensions = len(next(iter(rows.values())))
        vectors = np.full((len(answer["data"]), dimensions), np.nan, dtype=np.float32)
        for index, row in rows.items():
            vectors[index] = row
        return cls(vectors, errors, answer["model"], answer["version"], answer["usage"]["tokens"])


class Scored(NamedTuple):
    """One label of one input."""

    label: str
    """Stable identifier, for programs."""
    name: str
    """Display name, for people."""
    score: float
    assigned: bool


@dataclass(frozen=True)
class Classifications:
    """Answer to a classify request."""

    labels: list[list[Scored]]
    """For each input its labels, best first; empty where the input met an error."""
    errors: dict[int, ServerError]
    """Errors of single inputs, by index."""
    model: str
    version: str
    tokens: int

    @classmethod
    def read(cls, answer: dict[str, Any]) -> Self:
        """Read an answer."""
        labels = [[_scored(told) for told in item.get("labels", [])] for item in answer["data"]]
        errors = {item["index"]: ServerError.from_answer(200, item) for item in answer["data"] if "error" in item}
        return cls(labels, errors, answer["model"], answer["version"], answer["usage"]["tokens"])

    def assigned(self, index: int) -> list[str]:
        """Return the labels that an input was given, best first.

        Raises:
            ServerError: the one that this input met.
        """
        if index in self.errors:
            raise self.errors[index]
        return [scored.label for scored in self.labels[index] if scored.assigned]


@dataclass(frozen=True)
class Reason:
    """Why an item is recommended; what is None does not belong to the kind."""

    kind: str
    """nearest: the item of the history or of the anchors that is most like it; shared: what the two have in common;
    score: where the score comes from."""
    id: str | None = None
    title: str | None = None
    similarity: float | None = None
    """Of the two items (cosine), or of item and query as the model compares them."""
    field: str | None = None
    values: tuple[str, ...] = ()
    cosine: float | None = None
    popularity: float | None = None
    """The item's share of all interactions in training."""


@dataclass(frozen=True)
class RecommendedItem:
    """One recommended item."""

    id: str
    score: float
    title: str | None = None
    reasons: tuple[Reason, ...] = ()
    """Empty unless they were asked for."""


@dataclass(frozen=True)
class Recommendations:
    """Answer to a recommend request."""

    items: list[RecommendedItem]
    """Best first."""
    strategy: str
    """What the answer rests on: user, items or popularity."""
    cold_start: bool
    """Whether it rests on no interaction that the model knows of."""
    unknown: tuple[str, ...]
    """Ids of the request that are no items and were passed over."""
    model: str
    version: str

    @property
    def ids(self) -> list[str]:
        """Ids of the items, best first."""
        return [item.id for item in self.items]

    @classmethod
    def read(cls, answer: dict[str, Any]) -> Self:
        """Read an answer."""
        items = [_recommended(item) for item in answer["items"]]
        unknown = tuple(answer.get("unknown", ()))
        return cls(items, answer["strategy"], answer["cold_start"], unknown, answer["model"], answer["version"])


def _scored(told: dict[str, Any]) -> Scored:
    return Scored(told["label"], told["name"], told["score"], told["assigned"])


def _recommended(told: dict[str, Any]) -> RecommendedItem:
    reasons = tuple(_reason(reason) for reason in told.get("reasons", ()))
    return RecommendedItem(told["id"], told["score"], told.get("title"), reasons)


def _reason(told: dict[str, Any]) -> Reason:
    known = {name: told[name] for name in Reason.__dataclass_fields__ if name in told}
    return Reason(**{**known, "values": tuple(known.get("values", ()))})
