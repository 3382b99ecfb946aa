"""What the commands of `jubako keys` do: make, list and revoke the keys in a file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.table import Column, Table

from jubako.console import console, told_plainly
from serving.access.keys import digest_of, new_key
from serving.access.records import KeyFileError, KeyRecord, Records, as_toml, read_keys, write_keys

UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True)
class Asked:
    """What a new key is to be."""

    name: str
    endpoints: Sequence[str]
    models: Sequence[str]
    requests_per_second: float = 0
    burst: int = 0
    tokens_per_minute: int = 0
    tokens_per_day: int = 0
    expires: str | None = None


def create(asked: Asked, file: Path | None) -> None:
    """Make a key, put its record into a file, and print the secret, which is nowhere else.

    Without a file the record is printed, for `jubako.toml`.
    """
    with told_plainly(KeyFileError):
        key = new_key()
        record = _record(asked, digest_of(key.secret).hex(), datetime.now(UTC).replace(microsecond=0))
        if file is not None:
            write_keys(file, {**_known(file), key.id: record})
    beside = Console(stderr=True)  # so that KEY=$(jubako keys create ...) is the key alone
    print(key)
    beside.print("The key is shown this once; keep it.")
    if file is not None:
        beside.print(f"{record.name} is in {file}", soft_wrap=True)
    else:
        told = as_toml(f"access.keys.{key.id}", record)
        beside.print(f"For jubako.toml:\n\n{told}", markup=False, highlight=False, soft_wrap=True)


def print_keys(file: Path) -> None:
    """Print the keys of a file as a table."""
    table = Table(Column("id", no_wrap=True), "name", "endpoints", "models", "quotas", "created", "expires", box=None)
    with told_plainly(KeyFileError):
        for key_id, record in read_keys(file).items():
            table.add_row(
                key_id, record.name, " ".join(sorted(record.endpoints)), " ".join(record.models), _quotas(record),
                _day(record.created), _expiry(record),
            )  # fmt: skip
    console.print(table)


def revoke(which: str, file: Path) -> None:
    """Take a key, by its id or its name, out of a file; a server that reads the file refuses it within a second."""
    with told_plainly(KeyFileError):
        records = read_keys(file)
        found = [key_id for key_id, record in records.items() if which in (key_id, record.name)]
        if len(found) != 1:
            known = ", ".join(f"{key_id} ({record.name})" for key_id, record in records.items()) or "none"
            what = "no key" if not found else f"{len(found)} keys"
            raise KeyFileError(f"{what} called {which!r} in {file}; name one by its id. There are: {known}")
        write_keys(file, {key_id: record for key_id, record in records.items() if key_id != found[0]})
    console.print(f"{which} is revoked in {file}", soft_wrap=True)


def lifetime(text: str) -> timedelta:
    """Return a time such as `90d`, `12h`, `30m` or `4w`.

    Raises:
        KeyFileError: it is none.
    """
    given = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if given is None:
        raise KeyFileError(f"{text!r} is no time; write 90d, 12h, 30m or 4w")
    return int(given[1]) * UNITS[given[2]]


def _record(asked: Asked, digest: str, now: datetime) -> KeyRecord:
    fields = {name: value for name, value in vars(asked).items() if name != "expires"}
    expires = None if asked.expires is None else now + lifetime(asked.expires)
    try:
        return KeyRecord.model_validate({**fields, "digest": digest, "created": now, "expires": expires})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise KeyFileError(f"{option}: {first['msg']}") from error


def _known(file: Path) -> Records:
    return read_keys(file) if file.exists() and file.stat().st_size else {}


def _quotas(record: KeyRecord) -> str:
    told = {
        "requests/s": record.requests_per_second,
        "tokens/min": record.tokens_per_minute,
        "tokens/day": record.tokens_per_day,
    }
    return ", ".join(f"{value:,g} {unit}" for unit, value in told.items() if value) or "none"


def _expiry(record: KeyRecord) -> str:
    return f"{_day(record.expires)} (over)" if record.has_expired(datetime.now(UTC)) else _day(record.expires)


def _day(when: datetime | None) -> str:
    return "" if when is None else when.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
