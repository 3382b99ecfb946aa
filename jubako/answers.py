"""What the clients return: the answers of the server, read and typed; the same over HTTP and gRPC."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from jubako.errors import ServerError

OutputDtype = Literal["float32", "float16", "int8", "binary"]
LITTLE_ENDIAN: Mapping[str, str] = {"float32": "<f4", "float16": "<f2", "int8": "i1", "binary": "u1"}


@dataclass(frozen=True)
class Embeddings:
    """Answer to an embed request; `floats()` are its vectors whatever they were sent as."""

    vectors: NDArray[Any]
    """[inputs, dimensions] as float32, float16 or int8; of binary [inputs, ceil(dimensions / 8)] as uint8, a bit for
    each sign, the most significant first. A row whose input met an error is NaN, or 0 where there is no NaN."""
    errors: dict[int, ServerError]
    """Errors of single inputs, by index."""
    model: str
    version: str
    tokens: int
    output_dtype: OutputDtype = "float32"
    scales: NDArray[np.float32] | None = None
    """[inputs], with int8: vector = row x scale."""
    offset: int = 0
    """Place of the first input among all of a stream's."""

    def __len__(self) -> int:
        return len(self.vectors)

    def floats(self, dimensions: int | None = None) -> NDArray[np.float32]:
        """Return the vectors as float32, [inputs, dimensions]; a row whose input met an error is NaN.

        int8 rows are multiplied by their scales. Of binary ones there are signs, +1 and -1; `dimensions` cuts off the
        bits that fill the last byte.
        """
        if self.output_dtype == "binary":
            signs = np.unpackbits(self.vectors, axis=1).astype(np.float32) * 2 - 1
            signs[list(self.errors)] = np.nan
            return signs[:, :dimensions]
        vectors: NDArray[np.float32] = self.vectors.astype(np.float32)
        if self.scales is not None:
            vectors *= self.scales[:, None]
        return vectors[:, :dimensions]

    @classmethod
    def read(
        cls, answer: Mapping[str, Any], output_dtype: OutputDtype = "float32", offset: int = 0, width: int = 0
    ) -> Self:
        """Read an answer whose vectors are little-endian bytes, or base64 of them.

        `width` is how many elements a row has in an answer without any good one.
        """
        items = answer["data"]
        good = [index for index, item in enumerate(items) if "error" not in item]
        rows = b"".join(_bytes(items[index]["embedding"]) for index in good)
        kind = np.dtype(LITTLE_ENDIAN[output_dtype])
        packed = np.frombuffer(rows, dtype=kind).reshape(len(good), -1 if good else width)  # [good inputs, width]
        vectors = np.full((len(items), packed.shape[1]), np.nan if kind.kind == "f" else 0, dtype=kind)
        vectors[good] = packed
        return cls(
            vectors, _errors(items), answer["model"], answer["version"], answer["usage"]["tokens"], output_dtype,
            _scales(items) if output_dtype == "int8" else None, offset,
        )  # fmt: skip


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
    def read(cls, answer: Mapping[str, Any]) -> Self:
        """Read an answer."""
        items = answer["data"]
        labels = [[_scored(told) for told in item.get("labels", ())] for item in items]
        return cls(labels, _errors(items), answer["model"], answer["version"], answer["usage"]["tokens"])

    def __len__(self) -> int:
        return len(self.labels)

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
    tokens: int = 0

    @property
    def ids(self) -> list[str]:
        """Ids of the items, best first."""
        return [item.id for item in self.items]

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Self:
        """Read an answer."""
        items = [_recommended(item) for item in answer["items"]]
        unknown, tokens = tuple(answer.get("unknown", ())), answer["usage"]["tokens"]
        return cls(items, answer["strategy"], answer["cold_start"], unknown, answer["model"], answer["version"], tokens)


def _bytes(embedding: str | bytes) -> bytes:
    return base64.b64decode(embedding) if isinstance(embedding, str) else embedding


def _scales(items: list[dict[str, Any]]) -> NDArray[np.float32]:
    return np.array([item.get("scale", np.nan) for item in items], dtype=np.float32)


def _errors(items: list[dict[str, Any]]) -> dict[int, ServerError]:
    return {index: ServerError.of_input(item["error"]) for index, item in enumerate(items) if "error" in item}


def _scored(told: dict[str, Any]) -> Scored:
    return Scored(told["label"], told["name"], told["score"], told["assigned"])


def _recommended(told: dict[str, Any]) -> RecommendedItem:
    reasons = tuple(_reason(reason) for reason in told.get("reasons", ()))
    return RecommendedItem(told["id"], told["score"], told.get("title"), reasons)


def _reason(told: dict[str, Any]) -> Reason:
    known = {name: told[name] for name in Reason.__dataclass_fields__ if name in told}
    return Reason(**{**known, "values": tuple(known.get("values", ()))})
