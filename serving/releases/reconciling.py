"""Bringing what is served in line with what is wanted."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from time import perf_counter

from bundle.errors import BundleError
from serving.errors import JubakoError
from serving.model import Served
from serving.releases import memory
from serving.releases.loaders import Loader
from serving.releases.plan import Plan, Planned, Share
from serving.releases.shadowing import Shadow
from serving.releases.versions import Canary, Release, Version
from serving.settings import Settings

logger = logging.getLogger("jubako.releases")


class Reconciler:
    """Follows the plan, one model and one version after the other. A step that fails leaves what is served as it is."""

    def __init__(self, releases: Mapping[str, Release], loader: Loader, settings: Settings) -> None:
        self._releases = releases
        self._loader = loader
        self._waiting = settings.releases.shadow_requests
        self._probe_s = settings.readiness.probe_timeout_ms / 1000
        self._retiring: set[asyncio.Task[None]] = set()

    async def follow(self, plans: AsyncIterator[Plan]) -> None:
        """Follow each plan, until this is cancelled."""
        confirmed = False
        async for plan in plans:
            if not confirmed:
                await self._confirm(plan)
                confirmed = True
            await self.reconcile(plan)

    async def reconcile(self, plan: Plan) -> None:
        """Do what is new in a plan."""
        for name in sorted(plan.models.keys() - self._releases.keys()):
            served = ", ".join(sorted(self._releases))
            logger.warning("the releases file names %s, which is not served here; served: %s", name, served)
        for release in self._releases.values():
            planned = plan.of(release.name)
            if planned == release.planned:
                continue
            try:
                await self._apply(release, planned)
            except Exception:  # of one model; the others are followed all the same
                logger.exception("%s: the releases file cannot be followed", release.name)

    async def _confirm(self, plan: Plan) -> None:
        """Have runners load what this front has begun with; where they cannot, serve the version before it."""
        for release in self._releases.values():
            active, planned = release.active, plan.of(release.name)
            try:
                await self._loader.confirm(f"{release.name}:{active.name}")
            except BundleError as error:
                self._refuse(release, active.name, str(error), planned.revision)
                if planned.previous not in (None, active.name):
                    before = await self._load(release, planned.previous, planned.revision)
                    if before is not None:
                        self._switch(release, before)

    async def _apply(self, release: Release, planned: Planned) -> None:
        if planned.active is not None:
            version = await self._load(release, planned.active, planned.revision)
            if version is not None and version is not release.active:
                self._switch(release, version)
        canary = await self._beside(release, planned.canary, planned.revision)
        release.canary = None if canary is None else Canary(*canary)
        shadow = await self._beside(release, planned.shadow, planned.revision)
        if release.shadow is not None:
            release.shadow.close()
        release.shadow = None if shadow is None else Shadow(release.name, *shadow, self._waiting)
        release.planned = planned
        release.tell_metrics()
        self._retire(release)

    def _switch(self, release: Release, version: Version) -> None:
        before, release.active = release.active, version
        if release.canary is not None and release.canary.version is version:
            release.canary = None
        release.metrics.swapped()
        release.tell_metrics()
        logger.info("%s: version %s is active, in the place of %s", release.name, version.name, before.name)
        self._retire(release)

    async def _beside(self, release: Release, share: Share | None, revision: int) -> tuple[Version, float] | None:
        if share is None or (version := await self._load(release, share.version, revision)) is None:
            return None
        return version, share.percent

    async def _load(self, release: Release, name: str, revision: int) -> Version | None:
        """Return a version, loaded if it is not; None: it is refused, or was for this revision already."""
        if (known := release.refusals.get(name)) is not None and known.revision == revision:
            return None
        if name in release.loaded:
            return release.loaded[name]
        release.loading = name
        begin = perf_counter()
        try:
            model = await self._tested(release, f"{release.name}:{name}")
        except (BundleError, JubakoError) as error:
            self._refuse(release, name, str(error), revision)
            return None
        except Exception as error:
            logger.exception("%s:%s cannot be loaded", release.name, name)
            self._refuse(release, name, f"{type(error).__name__}: {error}", revision)
            return None
        finally:
            release.loading = None
        release.metrics.loaded(perf_counter() - begin)
        release.refusals.pop(name, None)
        release.loaded[name] = version = Version(model)
        return version

    async def _tested(self, release: Release, tag: str) -> Served:
        """Return a model that has answered one inference the whole way."""
        model = await self._loader.load(tag)
        try:
            _check_it_fits(release, model, tag)
            await model.check(self._probe_s)
        except Exception:
            await self._loader.free(model)
            raise
        return model

    def _refuse(self, release: Release, name: str, reason: str, revision: int) -> None:
        logger.error("%s:%s is refused, %s serves on: %s", release.name, name, release.active.name, reason)
        release.refuse(name, reason, revision)

    def _retire(self, release: Release) -> None:
        """Free the versions that nobody wants any more, each when its last request has ended."""
        for version in release.loaded.values():
            if version not in release.wanted and not version.retiring:
                version.retiring = True
                task = asyncio.create_task(self._free_when_idle(release, version.name))
                self._retiring.add(task)
                task.add_done_callback(self._retiring.discard)

    async def _free_when_idle(self, release: Release, name: str) -> None:
        version = release.loaded[name]
        while version.users:
            await version.idle.wait()
        version.retiring = False
        if version in release.wanted:
            return
        del release.loaded[name]
        model = version.model
        del version
        await self._loader.free(model)
        del model
        await asyncio.to_thread(memory.give_back)
        logger.info("%s: version %s is freed", release.name, name)


def _check_it_fits(release: Release, model: Served, tag: str) -> None:
    """Refuse a model that is another than the one that was asked for, or that cannot do what this one does.

    Raises:
        BundleError: it is.
    """
    manifest, active = model.manifest, release.active.model
    if f"{manifest.name}:{manifest.version}" != tag:
        raise BundleError(f"no bundle {tag!r} in the model store; the nearest is {manifest.name}:{manifest.version}")
    lost = [task for task in release.tasks if task not in manifest.tasks]
    if lost or type(model) is not type(active):
        told = " and ".join(lost) or "what the active version does"
        raise BundleError(f"{tag}: cannot {told}, which callers of {release.name} need; give it a name of its own")
