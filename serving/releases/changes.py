"""The changes that commands make to what is wanted of one model. Each returns the new entry, or refuses."""

from serving.releases.errors import ReleaseError
from serving.releases.plan import Planned, Share


def promoted(before: Planned, version: str, serving: str | None) -> Planned:
    """Make a version the active one.

    Promoting the active version changes nothing but the entry's revision: servers that refused it try again.
    `serving` is what is known to be served where the file has recorded nothing yet.
    """
    if before.active == version:
        return before
    replaced = before.active or serving
    previous = before.previous if replaced == version else replaced
    return _without(before.model_copy(update={"active": version, "previous": previous}), version)


def rolled_back(before: Planned, name: str, stored: list[str]) -> Planned:
    """Exchange the active version and the previous one.

    Raises:
        ReleaseError: there is no previous one.
    """
    if before.previous is None:
        told = ", ".join(stored) or "none"
        raise ReleaseError(
            f"{name} has no previous version to go back to; promote the one you want: "
            f"`jubako models promote {name} VERSION` (stored: {told})"
        )
    return _without(before.model_copy(update={"active": before.previous, "previous": before.active}), before.previous)


def with_canary(before: Planned, share: Share | None) -> Planned:
    """Have a version answer a share of the requests, or none.

    Raises:
        ReleaseError: it is the active version.
    """
    _refuse_active(before, share, "canary")
    return before.model_copy(update={"canary": share})


def with_shadow(before: Planned, share: Share | None) -> Planned:
    """Have a version get copies of a share of the requests, or none.

    Raises:
        ReleaseError: it is the active version.
    """
    _refuse_active(before, share, "shadow")
    return before.model_copy(update={"shadow": share})


def _refuse_active(before: Planned, share: Share | None, role: str) -> None:
    if share is not None and share.version == before.active:
        raise ReleaseError(f"{share.version} is the active version already; a {role} is another one")


def _without(planned: Planned, version: str) -> Planned:
    """Take a version that has become the active one out of its other roles."""
    gone = {
        role: None
        for role in ("canary", "shadow")
        if (share := getattr(planned, role)) is not None and share.version == version
    }
    return planned.model_copy(update=gone)
