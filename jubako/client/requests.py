"""What travels: requests and answers as every transport sees them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Input = str | Mapping[str, Any]
"""A text or a record: a book (title, description, author) or a paper (title, abstract)."""
Item = str | int | Mapping[str, Any]
"""An item's id or its record."""
User = str | int | Mapping[str, Any]
"""A user's id, or what is known of them: id, history (ids of items, the most recent last), attributes."""

Operation = Literal["embed", "classify", "recommend", "models", "model", "ready"]
Answer = dict[str, Any]
"""As the JSON of the HTTP contract; vectors may be bytes in place of base64."""
T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """One request to the server."""

    operation: Operation
    body: dict[str, Any]
    """As the JSON of the HTTP contract; of `model` its name."""
    request_id: str
    timeout_s: float | None = None
    """In place of the client's."""
    is_part: bool = False
    """Whether other requests carry other inputs of the same list, so that a fault in all of these is none of theirs."""

    @property
    def inputs(self) -> list[Any]:
        """Its inputs; empty where it has none."""
        inputs: list[Any] = self.body.get("inputs", [])
        return inputs


@dataclass(frozen=True)
class Call(Generic[T]):
    """What a method asks: requests that may travel side by side, and how their joined answer is read."""

    requests: Sequence[Request]
    read: Callable[[Answer], T]


@dataclass(frozen=True)
class Stream(Generic[T]):
    """As `Call`, for more inputs than anybody wants to hold: requests as they are made, each answer read by itself."""

    requests: Iterator[Request]
    read: Callable[[Answer], T]
