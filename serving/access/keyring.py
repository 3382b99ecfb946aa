"""The keys that a server knows, looked up by their id, and read again when their file is another one."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic

from serving.access.buckets import Allowance, Clock
from serving.access.caller import Caller
from serving.access.keys import matches, parse_key
from serving.access.records import KeyFileError, KeyRecord, Records, read_keys
from serving.errors import Code, JubakoError

logger = logging.getLogger("jubako.keys")

LOOK_S = 1.0
"""How often, at most, a request has the file looked at; an idle server looks at nothing."""
Now = Callable[[], datetime]
Stamp = tuple[int, int, int] | None


class _Entry:
    """One key, ready to be compared."""

    __slots__ = ("caller", "digest", "record")

    def __init__(self, caller: Caller, record: KeyRecord) -> None:
        self.caller = caller
        self.record = record
        self.digest = bytes.fromhex(record.digest)


class Keyring:
    """Knows who a key belongs to."""

    def __init__(
        self, records: Records, file: Path | None, share: int = 1, clock: Clock = monotonic, now: Now | None = None
    ) -> None:
        """Take keys of the settings, the file with others, and the number of processes that share the quotas.

        Raises:
            KeyFileError: the file cannot be read.
        """
        self._fixed = records
        self._file = file
        self._share = share
        self._clock = clock
        self._now = now or _utc_now
        self._looked_at = clock()
        self._stamp = _stamp(file)
        self._entries: dict[str, _Entry] = {}
        self._take(records if file is None else {**records, **read_keys(file)})

    def __len__(self) -> int:
        return len(self._entries)

    def caller_of(self, presented: str) -> Caller:
        """Return who presented a key.

        Raises:
            JubakoError: `unauthenticated`: it is not known, not right, or its time is over.
        """
        self._look()
        key_id, secret = parse_key(presented)
        entry = self._entries.get(key_id)
        if not matches(secret, None if entry is None else entry.digest) or entry is None:
            raise JubakoError(Code.UNAUTHENTICATED, "this key is not known; it is mistyped, or was revoked")
        self._refuse_expired(entry.record)
        return entry.caller

    def _check(self, key_id: str, record: KeyRecord) -> None:
        """Refuse a key that was let in before and has since expired, was revoked or became another one."""
        self._look()
        entry = self._entries.get(key_id)
        if entry is None or entry.record != record:
            message = f"the key {record.name!r} was revoked or changed; connect again"
            raise JubakoError(Code.UNAUTHENTICATED, message)
        self._refuse_expired(record)

    def _refuse_expired(self, record: KeyRecord) -> None:
        if record.expires is not None and record.has_expired(self._now()):
            message = f"the key {record.name!r} expired at {record.expires.isoformat()}; ask for a new one"
            raise JubakoError(Code.UNAUTHENTICATED, message)

    def _look(self) -> None:
        """Read the file again where it is another one than before; keep the keys where it cannot be read."""
        if self._file is None or self._clock() - self._looked_at < LOOK_S:
            return
        self._looked_at = self._clock()
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._take({**self._fixed, **read_keys(self._file)})
        except KeyFileError as error:
            logger.error("%s; the keys stay as they were", error)
        else:
            logger.info("%d keys, read again from %s", len(self._entries), self._file)

    def _take(self, records: Records) -> None:
        """Take these keys for all there are; those whose quotas are the same go on where they were."""
        before = self._entries
        self._entries = {
            key_id: _Entry(self._caller(key_id, record, before.get(key_id)), record)
            for key_id, record in records.items()
        }

    def _caller(self, key_id: str, record: KeyRecord, before: _Entry | None) -> Caller:
        allowance, check = self._allowance(record, before), partial(self._check, key_id, record)
        return Caller(key_id, record.name, record.endpoints, record.models, allowance, check)

    def _allowance(self, record: KeyRecord, before: _Entry | None) -> Allowance:
        kept = before and before.caller.allowance
        if kept and kept.quotas == record.quotas:
            return kept
        return Allowance(record.quotas, self._share, self._clock)


def _stamp(file: Path | None) -> Stamp:
    """Return what changes when a file does, also behind the symbolic links of a Kubernetes secret; None: no file."""
    if file is None:
        return None
    try:
        told = file.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size, told.st_ino


def _utc_now() -> datetime:
    return datetime.now(UTC)
