"""What is kept of a key: its digest, its scopes and its quotas. A file of keys is TOML, with one table for each."""

import json
import os
import tempfile
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError


class Endpoint(StrEnum):
    """What a key may be for, over every protocol."""

    EMBED = "embed"
    CLASSIFY = "classify"
    RECOMMEND = "recommend"
    MODELS = "models"
    """What is loaded: lists, manifests, tensors."""
    DOCS = "docs"
    """OpenAPI document and page, gRPC reflection, and BentoML's own routes."""
    METRICS = "metrics"
    """Prometheus metrics, where they need a key at all."""


USUAL = tuple(endpoint for endpoint in Endpoint if endpoint is not Endpoint.METRICS)
"""What a key is for unless something is said."""

KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$")]
ModelPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._*?-]{1,128}$")]


class KeyFileError(Exception):
    """A file of keys cannot be read or written; the message says why."""


class Quotas(BaseModel):
    """How much a key may ask for; 0: as much as it likes. They hold for each worker process."""

    model_config = ConfigDict(frozen=True)

    requests_per_second: float = Field(0, ge=0)
    burst: int = Field(0, ge=0)
    """Requests at once after a pause; 0: what one second allows, and at least one."""
    tokens_per_minute: int = Field(0, ge=0)
    tokens_per_day: int = Field(0, ge=0)


class KeyRecord(Quotas):
    """One key, without its secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    """For people: lists, logs and messages."""
    digest: Digest
    """SHA-256 of the secret, in hexadecimal digits."""
    endpoints: frozenset[Endpoint] = Field(frozenset(USUAL), min_length=1)
    models: tuple[ModelPattern, ...] = Field(("*",), min_length=1)
    """Names of models; `*` and `?` stand for any characters and any character."""
    created: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    """From then on the key is refused."""

    def has_expired(self, now: datetime) -> bool:
        """Return whether its time is over."""
        return self.expires is not None and now >= self.expires

    @property
    def quotas(self) -> Quotas:
        """The quotas alone, to be compared."""
        return Quotas(**{name: getattr(self, name) for name in Quotas.model_fields})


Records = Mapping[str, KeyRecord]
RECORDS: TypeAdapter[dict[str, KeyRecord]] = TypeAdapter(dict[KeyId, KeyRecord])

HEAD = "# Keys of a Jubako server, made by `jubako keys`. Secrets are not in here, only their SHA-256.\n"


def read_keys(file: Path) -> Records:
    """Read a file of keys.

    Raises:
        KeyFileError: there is none, it is no TOML, it has no table `keys`, or one of them is not a key's.
    """
    try:
        content = tomllib.loads(file.read_text())
    except OSError as error:
        raise KeyFileError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOML or UTF-8
        raise KeyFileError(f"{file} is not valid TOML: {error}") from error
    if content.keys() != {"keys"}:  # an empty file is one that somebody is writing, and no revocation of all
        raise KeyFileError(f"{file} has to hold [keys] and nothing beside it; `jubako keys create` makes one")
    try:
        return RECORDS.validate_python(content["keys"])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in ("keys", *first["loc"]))
        raise KeyFileError(f"{file}: {where}: {first['msg']}") from error


def write_keys(file: Path, records: Records) -> None:
    """Write a file of keys that only its owner may read, in one step: a server never sees half of it.

    Raises:
        KeyFileError: it cannot be written.
    """
    text = HEAD + "[keys]\n" + "".join(f"\n{as_toml(f'keys.{key_id}', record)}" for key_id, record in records.items())
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        number, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        with os.fdopen(number, "w") as opened:
            opened.write(text)
        Path(draft).replace(file)
    except OSError as error:
        raise KeyFileError(f"{file} cannot be written: {error.strerror}") from error


def as_toml(table: str, record: KeyRecord) -> str:
    """Return a record as a TOML table of that name; what is at its default is left out, except the scopes."""
    always = {"name", "digest", "endpoints", "models"}
    told = {name: value for name, value in record if name in always or value not in (None, 0)}
    told["endpoints"] = sorted(record.endpoints)
    return f"[{table}]\n" + "".join(f"{name} = {_value(value)}\n" for name, value in sorted(told.items(), key=_order))


def _order(entry: tuple[str, object]) -> int:
    return ORDER.index(entry[0])


def _value(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return json.dumps(value)  # of these characters strings are written alike in JSON and TOML


ORDER = ("name", "digest", "endpoints", "models", *Quotas.model_fields, "created", "expires")
