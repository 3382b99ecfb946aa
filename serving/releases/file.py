"""The releases file: read by every worker, changed by one command at a time."""

import fcntl
import getpass
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from serving.releases.errors import ReleaseError
from serving.releases.plan import Plan, Planned
from serving.settings import Settings

Stamp = tuple[int, int, int]
"""Inode, time of the last change and size: what is another one after every change."""


class ReleasesFile:
    """The file at `path`. It need not exist: then nothing in particular is wanted."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> Stamp | None:
        """Return what tells one content from another; None: there is no file."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def read(self) -> Plan:
        """Return the plan.

        Raises:
            ReleaseError: the file cannot be read, or does not follow its schema.
        """
        try:
            return Plan.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return Plan()
        except OSError as error:
            raise ReleaseError(f"{self.path}: cannot be read ({error.strerror})") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "document"
            raise ReleaseError(
                f"{self.path}: {where}: {first['msg']}; repair the file, or remove it and promote again"
            ) from error

    def change(self, name: str, change: Callable[[Planned], Planned]) -> Planned:
        """Change what is wanted of a model, and return that; two changes at once come one after the other.

        Readers see the old file or the new one, never a part: it is renamed into its place.

        Raises:
            ReleaseError: as `read`, as `change`, or the file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                plan = self.read()
                revision = plan.revision + 1
                stamp = {"revision": revision, "by": _who(), "at": datetime.now(UTC)}
                planned = change(plan.of(name)).model_copy(update=stamp)
                models = {**plan.models, name: planned}
                self._write(plan.model_copy(update={"revision": revision, "models": models}))
        except OSError as error:
            raise ReleaseError(
                f"{self.path}: cannot be written ({error.strerror}); releases are changed where it can be, "
                "or set JUBAKO_RELEASES__FILE to the file that your servers read"
            ) from error
        return planned

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, which lies beside the file since the file itself is replaced; it goes with its process."""
        with self.path.with_name(f"{self.path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, plan: Plan) -> None:
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(plan.model_dump_json(indent=2) + "\n")
                file.flush()
                os.fsync(handle)
            Path(temporary).chmod(0o644)  # servers may run as another user than who promotes
            Path(temporary).replace(self.path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise


def releases_file(settings: Settings) -> ReleasesFile:
    """Return the file that the settings name, by default one in BentoML's home."""
    home = Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml")
    return ReleasesFile(settings.releases.file or home / "jubako" / "releases.json")


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
