"""Puts a public data set into the cache, from where every command finds it."""

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from training.data import wheels
from training.data.errors import DataError
from training.data.fetch import Progress, fetch
from training.data.reading import check_files
from training.data.source import FileSource, Source
from training.data.sources import DATA_DIR, Located, cache_dir, locate

Say = Callable[[str], None]
"""Called with a line for the person who waits."""


def say_on_stderr(line: str) -> None:
    """Print a line where it does not get into what a command prints."""
    Console(stderr=True).print(line, highlight=False, markup=False, soft_wrap=True)


def located_or_fetched(source: Source, path: Path | None, download: bool, say: Say = say_on_stderr) -> Located:
    """Find a data set, or fetch it into the cache if that needs nobody's consent; what fails is told, not raised.

    Raises:
        DataError: the given path or JUBAKO_DATA_DIR is wrong, see `locate`.
    """
    found = locate(source, path)
    if not found.paths and source.automatic and download:
        say(f"{source.name} is not on this machine; fetching it from {', '.join(source.urls)}")
        try:
            obtain(source)
        except DataError as error:
            say(str(error))
        else:
            found = locate(source)
            say(f"{source.name} is in {found.path}; terms: {source.terms}")
    if not found.paths:
        say(f"NO DATA: {source.name} is nowhere, a GENERATED SAMPLE takes its place; its figures mean nothing")
    return found


def obtain(source: Source, origin: str | None = None, progress: Progress = lambda done, total: None) -> Path:
    """Put a data set into the cache and return its file there, or its folder; another form of it that lay there goes.

    Args:
        source: the data set.
        origin: file, folder, archive or URL; None: JUBAKO_DATA_DIR where it holds the data set, else the public source.
        progress: told about a download, see `fetch`.

    Raises:
        DataError: the origin does not hold the data set or cannot be reached; the message says how to get it by hand.
    """
    if origin is not None and "://" not in origin and not origin.startswith(wheels.PREFIX):
        return _kept(source, _local(source, Path(origin)))
    if origin is None and os.environ.get(DATA_DIR) and (found := locate(source)).how == DATA_DIR:
        return _kept(source, found.paths)
    try:
        if origin is None and not source.urls:
            raise DataError(f"{source.name} has no public address")
        return _downloaded(source, (origin,) if origin is not None else source.urls, progress)
    except DataError as error:
        raise DataError(
            f"{error}. By hand: {source.by_hand}, then `jubako data get {source.name} --from {_asked(source)}`"
        ) from error


def _asked(source: Source) -> str:
    return "FILE" if isinstance(source, FileSource) else "FILE_OR_FOLDER"


def _local(source: Source, origin: Path) -> tuple[Path, ...]:
    origin = origin.expanduser()
    return (origin,) if zipfile.is_zipfile(origin) else locate(source, origin).paths


def _downloaded(source: Source, urls: Sequence[str], progress: Progress) -> Path:
    folder = cache_dir() / f".incoming-{source.name}"
    pins = source.sha256 if urls == source.urls else ()
    try:
        files = tuple(_fetched(source, url, folder, progress) for url in urls)
        for file, pin in zip(files, pins, strict=False):
            _compare(file, pin)
        return _kept(source, files)
    finally:
        if not list(folder.glob("*.part")):  # what is left of a broken download waits for the next attempt
            shutil.rmtree(folder, ignore_errors=True)


def _fetched(source: Source, url: str, folder: Path, progress: Progress) -> Path:
    if url.startswith(wheels.PREFIX):
        return wheels.download(url.removeprefix(wheels.PREFIX), folder)
    return fetch(url, folder / (Path(urlsplit(url).path).name or source.name), progress)


def _compare(file: Path, pin: str) -> None:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != pin:
        raise DataError(f"{file.name} has sha256 {digest[:12]}…, expected {pin[:12]}…; it is not the known file")


def _kept(source: Source, files: Sequence[Path]) -> Path:
    """Copy files, or those members of the one archive that are the data set, check them, let them take their place."""
    archive = files[0] if len(files) == 1 and zipfile.is_zipfile(files[0]) else None
    names = source.forms[-1] if archive else _names(source, files)
    several = len(names) > 1
    folder = cache_dir() / source.name if several else cache_dir()
    if not archive and list(files) == [folder / name for name in names]:
        return folder if several else files[0]
    cache_dir().mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=cache_dir()))
    try:
        for at, name in enumerate(names):
            if archive:
                _extract(archive, name, fresh / name)
            else:
                shutil.copyfile(files[at], fresh / name)
        check_files(source, [fresh / name for name in names])
        folder.mkdir(exist_ok=True)
        for name in names:
            (fresh / name).replace(folder / name)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _forget(source, folder, names)
    return folder if several else folder / names[0]


def _forget(source: Source, folder: Path, names: Sequence[str]) -> None:
    """Delete the other forms of a data set."""
    for other in (file for form in source.forms for file in form):
        if other not in names:
            (folder / other).unlink(missing_ok=True)


def _names(source: Source, files: Sequence[Path]) -> tuple[str, ...]:
    """Return what files are called in the cache: a lone one may come under any name of its format."""
    given = tuple(file.name for file in files)
    if given in source.forms:
        return given
    kin = {".jsonl": ".json"}.get(files[0].suffix, files[0].suffix)
    for form in source.forms:
        if len(form) == 1 and Path(form[0]).suffix == kin:
            return form
    known = ", ".join(file for form in source.forms for file in form)
    raise DataError(f"{', '.join(given)}: not a form of {source.name}; known: {known}")


def _extract(archive: Path, name: str, target: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        inside = next((member for member in members.namelist() if Path(member).name == name), None)
        if inside is None:
            raise DataError(f"the archive {archive.name} has no {name}; it has {', '.join(members.namelist()[:5])}")
        with members.open(inside) as source, target.open("wb") as out:
            shutil.copyfileobj(source, out)
