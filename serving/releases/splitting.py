"""Who gets the canary: a share of the keys, always the same ones, so that a person sees one version."""

import random
from collections.abc import Sequence
from contextvars import ContextVar
from hashlib import blake2b

REQUEST_KEY: ContextVar[str] = ContextVar("request_key", default="")
"""The id of the request that is being answered, set by the transport: the key where no person is named."""

SPACE = 1 << 64


def falls_within(percent: float, salt: str, key: str) -> bool:
    """Return whether a key is among `percent` of all keys.

    Keys that are within some percent are within more, too; another salt draws other keys.
    """
    digest = blake2b(f"{salt}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) * 100 < percent * SPACE


def key_of(people: Sequence[object]) -> str:
    """Return the id of the only person of a request, or else the request's own, or else a random one."""
    if len(people) == 1 and isinstance(person := people[0], dict):
        name = person.get("id")
        if isinstance(name, str | int) and not isinstance(name, bool):
            return f"user {name}"
    return REQUEST_KEY.get() or f"{random.getrandbits(64):x}"


def people_in(inputs: Sequence[object]) -> list[object]:
    """Return the people among the inputs of an embed request, which are given as {"user": {...}}."""
    return [value["user"] for value in inputs if isinstance(value, dict) and value.keys() == {"user"}]
