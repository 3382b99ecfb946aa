"""What `jubako models promote` and its like do: check a bundle, change the releases file, follow the server."""

from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from rich.table import Table

from bundle.bundle import Bundle
from bundle.errors import BundleError
from bundle.store import bundles, find
from jubako.console import console, told_plainly
from jubako.server_status import DEFAULT_URL, follow, released
from serving.loading import sound_engines
from serving.releases.changes import promoted, rolled_back, with_canary, with_shadow
from serving.releases.errors import ReleaseError
from serving.releases.file import ReleasesFile, releases_file
from serving.releases.plan import Planned, Share
from serving.settings import Engine, Settings


def promote(name: str, version: str, wait: bool, url: str | None) -> None:
    """Make a version the active one, where it passes its checks here."""
    with told_plainly(BundleError), told_plainly(ReleaseError):
        bundle = _sound(name, version)
        exact = bundle.manifest.version
        file = releases_file(Settings())
        known = file.read().of(name)
        serving = None
        if known.active is None:
            serving = released(url, name).active if url is not None else _newest_but(name, exact)
        if known.active == exact:
            console.print(f"{bundle.tag} is the active version already; servers that refused it try again")
        _change(file, name, lambda before: promoted(before, exact, serving), wait, url)


def roll_back(name: str, wait: bool, url: str | None) -> None:
    """Exchange the active version and the previous one."""
    with told_plainly(BundleError), told_plainly(ReleaseError):
        stored = [bundle.manifest.version for bundle in bundles() if bundle.manifest.name == name]
        file = releases_file(Settings())
        before = file.read().of(name)
        if before.previous is not None:
            _sound(name, before.previous)
        _change(file, name, lambda now: rolled_back(now, name, stored), wait, url)


def place_beside(
    role: Literal["canary", "shadow"],
    name: str,
    version: str | None,
    percent: float,
    off: bool,
    wait: bool,
    url: str | None,
) -> None:
    """Give a version a share of the requests, or of copies of them; or end that."""
    with told_plainly(BundleError), told_plainly(ReleaseError):
        if off == (version is not None):
            raise ReleaseError(f"say which version: `jubako models {role} {name} VERSION`; or end it with --off alone")
        share = None if version is None else Share(version=_sound(name, version).manifest.version, percent=percent)
        place = with_canary if role == "canary" else with_shadow
        _change(releases_file(Settings()), name, lambda before: place(before, share), wait, url)


def print_releases(url: str | None) -> None:
    """Print what is wanted of each model, and what a server serves."""
    with told_plainly(ReleaseError):
        file = releases_file(Settings())
        plan = file.read()
        table = Table("model", "active", "previous", "canary", "shadow", "changed", "server", box=None)
        for name, planned in sorted(plan.models.items()):
            changed = f"{planned.at:%Y-%m-%d %H:%M} by {planned.by}"
            serves = "" if url is None else str(released(url, name))
            table.add_row(
                name, planned.active or "as started", planned.previous or "", _told(planned.canary),
                _told(planned.shadow), changed, serves,
            )  # fmt: skip
    console.print(f"{file.path}, revision {plan.revision}", soft_wrap=True)
    console.print(table)


def _change(file: ReleasesFile, name: str, change: Callable[[Planned], Planned], wait: bool, url: str | None) -> None:
    """Write a change and tell it; with `wait`, see to it that it is served, and take it back where it is refused."""
    replaced: list[Planned] = []

    def noting(before: Planned) -> Planned:
        replaced.append(before)
        return change(before)

    planned = file.change(name, noting)
    console.print(f"{name}: {_summary(planned)}", soft_wrap=True)
    if not wait:
        return
    try:
        follow(url or DEFAULT_URL, name, planned)
    except BundleError as error:
        file.change(name, lambda now: replaced[0] if now.revision == planned.revision else now)
        raise BundleError(f"{error}; the releases file is again as it was") from error
    console.print(f"{name}: served")


def _sound(name: str, version: str) -> Bundle:
    """Return a stored bundle whose files are unaltered and whose golden vectors hold on this machine.

    Raises:
        BundleError: they do not, or there is none.
    """
    bundle = find(f"{name}:{version}")
    bundle.verify()
    sound_engines(bundle, Engine())
    return bundle


def _newest_but(name: str, version: str) -> str | None:
    """Return the version that servers have most likely started with, where nobody has recorded it: the newest other.

    None: there is none whose files are unaltered.
    """
    for bundle in bundles():
        if bundle.manifest.name == name and bundle.manifest.version != version:
            with suppress(BundleError):
                bundle.verify()
                return bundle.manifest.version
    return None


def _summary(planned: Planned) -> str:
    beside = [f"{role} {_told(share)}" for role in ("canary", "shadow") if (share := getattr(planned, role))]
    active = f"active {planned.active or 'as started'}"
    previous = f"previous {planned.previous or 'none'}"
    return ", ".join([active, previous, *beside])


def _told(share: Share | None) -> str:
    return "" if share is None else f"{share.version} {share.percent:g}%"
