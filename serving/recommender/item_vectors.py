"""Embeddings of a recommender: of items by id and by record, and of people."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bundle.catalogue import Catalogue
from bundle.manifest import Role
from features.people import User
from serving.errors import Code, JubakoError
from serving.model import Result
from serving.recommender.asking import read_id
from serving.recommender.basis import Bases
from serving.recommender.tower import Tower
from serving.rows import Output

USER = "user"
"""The key by which an input is a person and no record."""


class ItemVectors:
    """Answers each input of an embed request in its place, whatever it is."""

    def __init__(self, towers: Mapping[Role, Tower], catalogue: Catalogue, bases: Bases) -> None:
        self._items = towers[Role.ITEM]
        self._users = towers.get(Role.USER)
        self._catalogue = catalogue
        self._bases = bases

    async def embed(
        self,
        inputs: Sequence[object],
        read_user: Callable[[object, str], User],
        *,
        deadline: float,
        truncate: bool,
    ) -> Result:
        """Return the vectors of inputs; one at fault is answered by its own error.

        Raises:
            JubakoError: `overloaded` or `deadline`.
        """
        outputs: dict[int, Output] = {}
        users: dict[int, User] = {}
        records: dict[int, object] = {}
        for place, value in enumerate(inputs):
            param = f"inputs.{place}"
            try:
                if isinstance(value, dict) and value.keys() == {USER}:
                    users[place] = read_user(value[USER], f"{param}.{USER}")
                elif isinstance(value, dict):
                    records[place] = value
                else:
                    outputs[place] = self._stored(read_id(value, param), param)
            except JubakoError as error:
                outputs[place] = error
        of_records = await self._run(self._items, records, deadline, truncate)
        of_users = await self._of_users(users, deadline, truncate)
        outputs.update(zip(records, of_records.outputs, strict=True))
        outputs.update(zip(users, of_users.outputs, strict=True))
        return Result(
            [outputs[place] for place in range(len(inputs))],
            of_records.tokens + of_users.tokens,
            of_records.encode_s + of_users.encode_s,
            of_records.queue_s + of_users.queue_s,
            of_records.compute_s + of_users.compute_s,
        )

    async def _run(self, tower: Tower, values: Mapping[int, object], deadline: float, truncate: bool) -> Result:
        if not values:
            return Result([], 0)
        params = [f"inputs.{place}" for place in values]
        return await tower.run(list(values.values()), tower.read, deadline=deadline, truncate=truncate, params=params)

    async def _of_users(self, users: Mapping[int, User], deadline: float, truncate: bool) -> Result:
        people = {place: self._bases.person(user) for place, user in users.items()}
        if self._users is not None:
            return await self._run(self._users, {at: each.user for at, each in people.items()}, deadline, truncate)
        vectors = self._catalogue.vectors
        return Result(
            [
                self._bases.mean(vectors[person.seen]) if person.known else _nobody(place)
                for place, person in people.items()
            ],
            0,
        )

    def _stored(self, name: str, param: str) -> Output:
        position = self._catalogue.position_of(name)
        if position is None:
            return JubakoError(Code.UNKNOWN_ITEM, f"no such item: {name!r}; send its record instead", param=param)
        return np.array(self._catalogue.vectors[position])  # orjson takes no memory map


def _nobody(place: int) -> JubakoError:
    message = "this model knows people by what they have read; send a history of known items"
    return JubakoError(Code.INVALID_VALUE, message, param=f"inputs.{place}.{USER}")
