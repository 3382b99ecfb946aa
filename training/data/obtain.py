"""Puts a public data set into the cache, from where every command finds it."""

import os
import shutil
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from training.data.errors import DataError
from training.data.fetch import Progress, fetch
from training.data.reading import check
from training.data.sources import DATA_DIR, Source, cache_dir, locate


def obtain(source: Source, origin: str | None = None, progress: Progress = lambda done, total: None) -> Path:
    """Put a data set into the cache and return its path there; another form of it that lay there goes.

    Args:
        source: the data set.
        origin: file, folder or URL; None: JUBAKO_DATA_DIR where it holds the data set, else the public source.
        progress: told about a download, see `fetch`.

    Raises:
        DataError: the origin does not hold the data set or cannot be reached; the message says how to get it by hand.
    """
    if origin is not None and "://" not in origin:
        return _kept(source, locate(source, Path(origin)).path or Path(origin))
    if origin is None and os.environ.get(DATA_DIR) and (found := locate(source)).how == DATA_DIR and found.path:
        return _kept(source, found.path)
    try:
        return _downloaded(source, origin or source.url, progress)
    except DataError as error:
        raise DataError(
            f"{error}. By hand: {source.by_hand}, then `jubako data get {source.name} --from FILE`"
        ) from error


def _downloaded(source: Source, url: str, progress: Progress) -> Path:
    name = Path(urlsplit(url).path).name or source.name
    file = fetch(url, cache_dir() / "incoming" / name, progress)
    try:
        return _kept(source, file, Path(name).suffix)
    finally:
        shutil.rmtree(file.parent)


def _kept(source: Source, file: Path, suffix: str = "") -> Path:
    """Copy a file, or its one member that is the data set if it is an archive, check it, then let it take its place."""
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    archive = zipfile.is_zipfile(file)
    target = folder / (source.files[-1] if archive else _name(source, file.name, suffix or file.suffix))
    fresh = target.with_name(f".new-{target.name}")
    try:
        if archive:
            _extract(file, target.name, fresh)
        elif file != target:
            shutil.copyfile(file, fresh)
        else:
            return target
        check(source, fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    for other in source.files:
        if other != target.name:
            (folder / other).unlink(missing_ok=True)
    return target


def _name(source: Source, name: str, suffix: str) -> str:
    if name in source.files:
        return name
    kin = {".jsonl": ".json"}.get(suffix, suffix)
    for file in source.files:
        if Path(file).suffix == kin:
            return file
    raise DataError(f"{name}: not a form of {source.name}; known: {', '.join(source.files)}")


def _extract(archive: Path, name: str, target: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        inside = next((member for member in members.namelist() if Path(member).name == name), None)
        if inside is None:
            raise DataError(f"the archive {archive.name} has no {name}; it has {', '.join(members.namelist()[:5])}")
        with members.open(inside) as source, target.open("wb") as out:
            shutil.copyfileobj(source, out)
