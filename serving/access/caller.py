"""Who calls, for the time of a request: set by the transport, asked by whatever the answer depends on."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from serving.access.buckets import Allowance
from serving.access.records import Endpoint
from serving.errors import Code, JubakoError

ThingT = TypeVar("ThingT")


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """One who may call, and what they may."""

    id: str
    """The key's id, which is no secret; empty without a key."""
    name: str
    endpoints: Collection[Endpoint]
    models: tuple[str, ...]
    """Names or patterns of names."""
    allowance: Allowance | None = None
    """What is left of the quotas; None: there are none."""
    check: Callable[[], object] | None = None
    """Raises when the key is good no more; None: there is no key."""

    def may_use(self, model: str) -> bool:
        """Return whether a model may be used, loaded or not."""
        return self.models == EVERY_MODEL or any(fnmatchcase(model, pattern) for pattern in self.models)

    def refuse_others(self, endpoints: Collection[Endpoint]) -> None:
        """Refuse a route that is for none of what the caller may do.

        Raises:
            JubakoError: `forbidden`, naming what the key may do.
        """
        if not any(endpoint in self.endpoints for endpoint in endpoints):
            wanted, told = " or ".join(endpoints), ", ".join(sorted(self.endpoints)) or "nothing"
            raise JubakoError(Code.FORBIDDEN, f"{self.name!r} is not for {wanted}; it is for {told}")


EVERY_MODEL = ("*",)
ANYONE = Caller("", "anyone", frozenset(Endpoint), EVERY_MODEL)
"""Where no key is needed."""
NOBODY = Caller("", "nobody", frozenset(), ())
"""On open routes of a server that needs keys: they are answered, and tell nothing of models."""

CALLER: ContextVar[Caller] = ContextVar("caller", default=ANYONE)


def usable(models: Mapping[str, ThingT]) -> Mapping[str, ThingT]:
    """Return those of the models, by name, that the caller may use."""
    caller = CALLER.get()
    if caller.models == EVERY_MODEL:
        return models
    return {name: model for name, model in models.items() if caller.may_use(name)}


def permitted(models: Mapping[str, ThingT], name: str | None, endpoint: Endpoint) -> Mapping[str, ThingT]:
    """Return those of the models that the caller may use to embed, classify or recommend.

    Whether a model that the caller may not use exists is not told.

    Raises:
        JubakoError: `forbidden`, when the one that is asked for is none of these, or none of the models is.
    """
    caller = CALLER.get()
    caller.refuse_others((endpoint,))
    return named(models, name)


def named(models: Mapping[str, ThingT], name: str | None) -> Mapping[str, ThingT]:
    """Return those of the models that the caller may use; `name` is the one that is asked for, if one is.

    Raises:
        JubakoError: as `permitted`.
    """
    caller = CALLER.get()
    there = usable(models)
    bare = None if name is None else name.partition(":")[0]  # `name:version` is for those who may use the name
    if (not caller.may_use(bare)) if bare is not None else (models and not there):
        told = ", ".join(caller.models) or "none"
        what = f"model {name!r}" if name is not None else "any model that can do this"
        raise JubakoError(Code.FORBIDDEN, f"{caller.name!r} may not use {what}; it may use: {told}", param="model")
    return there


def again() -> None:
    """Let the caller in once more, for another request over what is open already: a stream.

    Raises:
        JubakoError: `unauthenticated`, when the key was revoked or expired since; `quota_exceeded`.
    """
    caller = CALLER.get()
    if caller.check is not None:
        caller.check()
    if caller.allowance is not None:
        caller.allowance.admit()


def charge(tokens: int) -> None:
    """Take tokens from the caller's quotas, before they are computed.

    Raises:
        JubakoError: see `Allowance.charge`.
    """
    allowance = CALLER.get().allowance
    if allowance is not None:
        allowance.charge(tokens)


@contextmanager
def at_own_cost() -> Iterator[None]:
    """Work for the server itself: no key's quota is charged, and none can stop it."""
    before = CALLER.set(ANYONE)
    try:
        yield
    finally:
        CALLER.reset(before)
