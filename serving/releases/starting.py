"""What a server starts with: what the releases file wants, as far as that can be served."""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from bundle.errors import BundleError
from bundle.store import find
from serving.releases.errors import ReleaseError
from serving.releases.file import releases_file
from serving.releases.plan import Plan
from serving.settings import Settings

logger = logging.getLogger("jubako.releases")

LoadedT = TypeVar("LoadedT")


@dataclass(frozen=True)
class Started(Generic[LoadedT]):
    """What was loaded for a model."""

    tag: str
    """As it was loaded; without a version where the file wants none."""
    loaded: LoadedT
    refused: dict[str, str]
    """By version, why one that was wanted more is not served."""


def plan_at_start(settings: Settings) -> Plan:
    """Return the plan; one that cannot be read is told in the log, and a server starts without it."""
    file = releases_file(settings)
    try:
        return file.read()
    except ReleaseError as error:
        logger.error("%s; starting without it", error)
        return Plan()


def start_all(tags: Sequence[str], plan: Plan, load: Callable[[str], LoadedT]) -> list[Started[LoadedT]]:
    """Load each model as `first_sound` does, several side by side: hashing, opening and testing use one core each.

    Raises:
        BundleError: of the first of them that cannot be served.
    """
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1), thread_name_prefix="start") as threads:
        return list(threads.map(lambda tag: first_sound(tag, plan, load), tags))


def first_sound(tag: str, plan: Plan, load: Callable[[str], LoadedT]) -> Started[LoadedT]:
    """Load the active version of a model; where that fails the previous one, and where that does `tag` itself.

    Raises:
        BundleError: none of them can be served; the first reason is told.
    """
    refused: dict[str, str] = {}
    first: BundleError | None = None
    for candidate in _candidates(tag, plan):
        try:
            _check_it_is_there(candidate, exactly=candidate != tag)
            loaded = load(candidate)
        except BundleError as error:
            first = first or error
            refused[candidate.partition(":")[2]] = str(error)
            logger.error("%s cannot be served: %s", candidate, error)
        else:
            return Started(candidate, loaded, refused)
    assert first is not None
    raise first


def _candidates(tag: str, plan: Plan) -> list[str]:
    name = tag.partition(":")[0]
    planned = plan.of(name)
    wanted = [f"{name}:{version}" for version in (planned.active, planned.previous) if version is not None]
    return list(dict.fromkeys([*wanted, tag]))


def _check_it_is_there(tag: str, exactly: bool) -> None:
    """Refuse what the store finds for a version that is not there: one that begins alike."""
    found = find(tag).tag
    if exactly and found != tag:
        raise BundleError(f"no bundle {tag!r} in the model store; the nearest is {found}")
