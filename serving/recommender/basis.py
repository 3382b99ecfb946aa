"""What an answer rests on: from a person or from anchors to the vector that items are compared with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bundle.catalogue import Catalogue
from bundle.histories import Histories
from bundle.manifest import Role
from features.people import User
from features.record import Record, RecordError
from serving.errors import Code, JubakoError
from serving.index.rows import NOTHING, Positions
from serving.model import Result
from serving.recommender.answers import Spent, Strategy
from serving.recommender.asking import read_id, refused
from serving.recommender.explaining import Grounds, Vector, Vectors, unit
from serving.recommender.tower import Tower


@dataclass(frozen=True)
class Person:
    """A user with all that is known to have been read."""

    user: User
    """With the joined history."""
    seen: Positions
    """The history's positions in the catalogue, the most recent last."""
    unknown: list[str]
    """Ids of the sent history that are no items."""
    known: bool
    """Whether anything is known of what this person met."""

    @property
    def tells_something(self) -> bool:
        """Whether there is anything to choose items by."""
        return self.known or bool(self.user.attributes)


@dataclass(frozen=True)
class Basis:
    """What an answer rests on."""

    strategy: Strategy
    cold_start: bool
    query: Vector | None = None
    """As the model compares it with items; None: there is nothing to compare with."""
    grounds: Grounds = field(default_factory=Grounds)
    own: Positions = field(default_factory=lambda: NOTHING)
    """What the history holds, or the anchors themselves."""
    unknown: list[str] = field(default_factory=list)
    """Ids that were passed over."""
    spent: Spent = field(default_factory=Spent)


class Bases:
    """Makes the bases of a recommender's answers with its encoders, its catalogue and what it knows of people."""

    def __init__(
        self, towers: Mapping[Role, Tower], catalogue: Catalogue, histories: Histories | None, cosine: bool
    ) -> None:
        self._items = towers[Role.ITEM]
        self._users = towers.get(Role.USER)
        self._catalogue = catalogue
        self._histories = histories
        self._cosine = cosine

    def person(self, user: User) -> Person:
        """Join what a user has sent with what is stored of them; what was sent is the more recent."""
        stored = None if user.id is None or self._histories is None else self._histories.of(user.id)
        sent = {one: self._catalogue.position_of(one) for one in user.history}
        unknown = [one for one, position in sent.items() if position is None]
        read = [] if stored is None else stored.tolist()
        read += [position for one in user.history if (position := sent[one]) is not None]
        seen = list(dict.fromkeys(reversed(read)))[::-1]
        history = tuple(self._catalogue.ids[position] for position in seen)
        named = user.id is not None and self._users is not None and self._users.knows(user.id)
        attributes = user.attributes
        if user.id is not None and self._histories is not None:
            attributes = {**self._histories.attributes_of(user.id), **attributes}
        joined = user.model_copy(update={"history": history, "attributes": attributes})
        return Person(joined, np.array(seen, dtype=np.int64), unknown, known=bool(seen) or named)

    async def of_person(self, person: Person, deadline: float) -> Basis:
        """Return the basis of an answer to a person; popularity where nothing is known of them."""
        if not person.tells_something:
            return Basis(Strategy.POPULARITY, cold_start=True, unknown=person.unknown)
        if self._users is None:
            query, spent = self.mean(self._catalogue.vectors[person.seen]), Spent()
        else:
            result = await self._users.encode([person.user], deadline=deadline, params=["user"])
            query, spent = self._comparable(self._vectors(result)[0]), spent_on(result)
        grounds, seen = Grounds(person.seen), person.seen
        return Basis(Strategy.USER, not person.known, query, grounds, seen, person.unknown, spent)

    async def of_anchors(self, anchors: Sequence[object], params: Sequence[str], deadline: float) -> Basis:
        """Return the basis of an answer by anchors, ids and records; `params` is how errors call them.

        Raises:
            JubakoError: `invalid_value` for an anchor that is neither, `unknown_item` where no anchor is known.
        """
        read = {param: self._read(anchor, param) for anchor, param in zip(anchors, params, strict=True)}
        records = {param: one for param, one in read.items() if not isinstance(one, str)}
        found = {one: self._catalogue.position_of(one) for one in read.values() if isinstance(one, str)}
        unknown = [one for one, position in found.items() if position is None]
        if not records and len(unknown) == len(found):
            told = ", ".join(map(repr, unknown[:5]))
            raise JubakoError(Code.UNKNOWN_ITEM, f"no such item: {told}; send records of new items", param="items")
        result = await self._encode(records, deadline)
        brought = self._vectors(result)  # [records, dimensions]
        positions = _known(found.values())
        named = (self._catalogue.position_of(name) for one in records.values() for name in one.values("id"))
        query = self.mean(np.concatenate([self._catalogue.vectors[positions], brought]))
        grounds, own = Grounds(positions, list(records.values()), brought), np.union1d(positions, _known(named))
        return Basis(Strategy.ITEMS, not len(own), query, grounds, own, unknown, spent_on(result))

    def mean(self, vectors: Vectors) -> Vector:
        """Return what stands for several items, [dimensions]: their mean, of unit vectors where cosines count."""
        centre: Vector = (unit(vectors) if self._cosine else vectors).mean(axis=0)
        return self._comparable(centre)

    def _comparable(self, vector: Vector) -> Vector:
        return unit(vector[None])[0] if self._cosine else vector

    def _read(self, anchor: object, param: str) -> Record | str:
        if not isinstance(anchor, dict):
            return read_id(anchor, param)
        try:
            return self._items.read(anchor)
        except RecordError as error:
            raise refused(param, error) from error

    async def _encode(self, records: Mapping[str, Record], deadline: float) -> Result:
        if not records:
            return Result([], 0)
        return await self._items.encode(list(records.values()), deadline=deadline, params=list(records))

    def _vectors(self, result: Result) -> Vectors:
        """Return the outputs of a result, [rows, dimensions], or raise the first error among them."""
        vectors = np.zeros((len(result.outputs), self._catalogue.dimensions), dtype=np.float32)
        for row, output in enumerate(result.outputs):
            if isinstance(output, JubakoError):
                raise output
            vectors[row] = output
        return vectors


def spent_on(result: Result) -> Spent:
    """Return what encoding cost."""
    return Spent(result.tokens, result.encode_s, result.queue_s, result.compute_s)


def _known(positions: Iterable[int | None]) -> Positions:
    return np.array([position for position in positions if position is not None], dtype=np.int64)
