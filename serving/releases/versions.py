"""The versions of a model that are loaded, and which of them answers."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING

from bundle.manifest import Task
from serving.errors import Code, JubakoError
from serving.model import Served
from serving.releases.metrics import SwapMetrics, VersionMetrics
from serving.releases.plan import Planned
from serving.releases.splitting import falls_within
from serving.text_model import TextModel
from serving.zero_shot import ZeroShot

if TYPE_CHECKING:
    from serving.releases.shadowing import Shadow


KEPT_REFUSALS = 8


class Version:
    """One loaded version, and how many requests run on it."""

    def __init__(self, model: Served) -> None:
        self.model = model
        self.name = model.manifest.version
        self.users = 0
        self.idle = asyncio.Event()
        """Set while no request runs on it."""
        self.idle.set()
        self.retiring = False
        """Whether it is freed once it is idle."""
        self._metrics = VersionMetrics(model.manifest.name, self.name)

    @cached_property
    def zero_shot(self) -> ZeroShot | None:
        """What classifies by labels of the caller's; None: this is no text encoder."""
        return ZeroShot(self.model) if isinstance(self.model, TextModel) else None

    @contextmanager
    def answering(self) -> Iterator[Served]:
        """Run a request on this version: it is not freed before the end, and the request is counted."""
        begin = perf_counter()
        with self.held():
            try:
                yield self.model
            except JubakoError as error:
                self._metrics.failed(error.code)
                raise
            self._metrics.answered(perf_counter() - begin)

    @contextmanager
    def held(self) -> Iterator[Served]:
        """Keep this version from being freed."""
        self.users += 1
        if self.users == 1:
            self.idle.clear()
        try:
            yield self.model
        finally:
            self.users -= 1
            if not self.users:
                self.idle.set()


@dataclass(frozen=True)
class Canary:
    """A version that answers a share of the requests."""

    version: Version
    percent: float


@dataclass(frozen=True)
class Refusal:
    """Why a version is not served."""

    version: str
    reason: str
    revision: int
    """Of the plan that wanted it."""
    at: datetime


class Release:
    """A model that is served: the version that answers, and others beside it. Used on the event loop only."""

    def __init__(self, active: Version) -> None:
        self.name = active.model.manifest.name
        self.active = active
        self.canary: Canary | None = None
        self.shadow: Shadow | None = None
        self.loaded = {active.name: active}
        """By version; those that nobody wants any more stay until their last request has ended."""
        self.loading: str | None = None
        self.planned = Planned()
        """What was wanted last, and has been done or refused."""
        self.refusals: dict[str, Refusal] = {}
        """By version, the last one last; those of the entry that is followed are not tried again."""
        self.metrics = SwapMetrics(self.name)
        self.tell_metrics()

    @property
    def tasks(self) -> list[Task]:
        """What the active version can be asked to do; every other one that is loaded can, too."""
        return self.active.model.manifest.tasks

    def pick(self, key: str) -> Version:
        """Return the version that answers whoever has this key."""
        canary = self.canary
        if canary is not None and falls_within(canary.percent, f"canary {self.name}:{canary.version.name}", key):
            return canary.version
        return self.active

    def named(self, version: str) -> Version:
        """Return a version that is loaded and wanted.

        Raises:
            JubakoError: `unknown_model`, naming those there are.
        """
        for wanted in self.wanted:
            if wanted.name == version:
                return wanted
        told = ", ".join(dict.fromkeys(wanted.name for wanted in self.wanted))
        message = f"model {self.name!r} is not loaded in version {version!r}; loaded: {told}"
        raise JubakoError(Code.UNKNOWN_MODEL, message, param="model")

    @property
    def wanted(self) -> list[Version]:
        """The active version, the canary and the shadow."""
        beside = [arm.version for arm in (self.canary, self.shadow) if arm is not None]
        return [self.active, *beside]

    def refuse(self, version: str, reason: str, revision: int) -> None:
        """Note that a version is not served, and why."""
        self.refusals.pop(version, None)
        self.refusals[version] = Refusal(version, reason, revision, datetime.now(UTC))
        if len(self.refusals) > KEPT_REFUSALS:
            del self.refusals[next(iter(self.refusals))]
        self.metrics.refused()

    def tell_metrics(self) -> None:
        """Record which versions are served."""
        roles = [(self.active.name, "active")]
        roles += [(self.canary.version.name, "canary")] if self.canary is not None else []
        roles += [(self.shadow.version.name, "shadow")] if self.shadow is not None else []
        self.metrics.serves(roles)

    def status(self) -> dict[str, object]:
        """Return what `/models` tells."""
        refusal = next(reversed(self.refusals.values()), None)
        return {
            "active": self.active.name,
            "previous": self.planned.previous,
            "canary": self.canary and {"version": self.canary.version.name, "percent": self.canary.percent},
            "shadow": self.shadow and {"version": self.shadow.version.name, "percent": self.shadow.percent},
            "loading": self.loading,
            "loaded": sorted(self.loaded),
            "refused": refusal and {
                "version": refusal.version,
                "reason": refusal.reason,
                "revision": refusal.revision,
                "at": refusal.at.isoformat(timespec="seconds"),
            },
            "revision": self.planned.revision,
        }  # fmt: skip
