"""The plan: which versions are wanted, as the releases file holds it."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from bundle.manifest import Strict

VersionName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9._-]*$")]
"""Exactly as a manifest has it; `latest` and prefixes are resolved before they are written."""


class Share(Strict):
    """A version and how many of the requests it gets."""

    version: VersionName
    percent: float = Field(gt=0, le=100)


class Planned(Strict):
    """What is wanted of one model."""

    active: VersionName | None = None
    """None: the version that the server starts with by itself."""
    previous: VersionName | None = None
    """What a rollback goes back to, and a start where the active version cannot be served."""
    canary: Share | None = None
    """A version that answers a share of the requests."""
    shadow: Share | None = None
    """A version that gets copies of a share of the requests, and answers nobody."""
    revision: int = 0
    """Revision of the file when this was last changed: servers judge anew what has a new one."""
    by: str = ""
    """Who changed it."""
    at: datetime = datetime.fromtimestamp(0, UTC)
    """When."""


class Plan(Strict):
    """The whole file."""

    schema_version: Literal[1] = 1
    revision: int = Field(0, ge=0)
    """Counts the changes."""
    models: dict[str, Planned] = Field({})

    def of(self, name: str) -> Planned:
        """Return what is wanted of a model; nothing in particular where the file does not name it."""
        return self.models.get(name, NOTHING)


NOTHING = Planned()
