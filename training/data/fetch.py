"""A download that can be broken off and taken up again, and that is either complete or not there."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from training.data.errors import DataError

TIMEOUT = httpx.Timeout(30.0)

Progress = Callable[[int, int | None], None]
"""Called with bytes at hand and bytes in all, the latter None when the server does not say."""


def fetch(url: str, target: Path, progress: Progress = lambda done, total: None) -> Path:
    """Download `url` to `target`, continuing where an earlier attempt broke off if the server's file is still the same.

    Raises:
        DataError: the server cannot be reached, refuses, or breaks off; what came is kept for the next attempt.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part, mark = target.with_name(target.name + ".part"), target.with_name(target.name + ".part.mark")
    headers = {"Accept-Encoding": "identity"}
    if part.is_file() and mark.is_file():
        headers |= {"Range": f"bytes={part.stat().st_size}-", "If-Range": mark.read_text()}
    try:
        with (
            httpx.Client(follow_redirects=True, timeout=TIMEOUT) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise _restart(part, mark, url)
            answer.raise_for_status()
            _note(answer, mark)
            total = _receive(answer, part, progress)
    except httpx.HTTPStatusError as error:
        raise DataError(f"{_host(url)} answers {error.response.status_code} to {url}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        kept = f"; {part.stat().st_size:,} bytes are kept, try again to go on" if part.is_file() else ""
        raise DataError(
            f"{_host(url)} cannot be reached or broke off ({error or type(error).__name__}){kept}"
        ) from error
    size = part.stat().st_size
    if total is not None and size != total:
        raise _restart(part, mark, url)
    part.replace(target)
    mark.unlink(missing_ok=True)
    return target


def _receive(answer: httpx.Response, part: Path, progress: Progress) -> int | None:
    """Write the body, behind what is there if the server goes on from it; return how many bytes it all should be."""
    resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
    done = part.stat().st_size if resumed else 0
    length = answer.headers.get("Content-Length")
    total = done + int(length) if length is not None else None
    with part.open("ab" if resumed else "wb") as file:
        for chunk in answer.iter_raw():
            file.write(chunk)
            done += len(chunk)
            progress(done, total)
    return total


def _note(answer: httpx.Response, mark: Path) -> None:
    """Keep what identifies this version of the file; without it nothing can be continued safely."""
    etag = answer.headers.get("ETag", "")
    version = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")
    if version:
        mark.write_text(version)
    else:
        mark.unlink(missing_ok=True)


def _restart(part: Path, mark: Path, url: str) -> DataError:
    part.unlink(missing_ok=True)
    mark.unlink(missing_ok=True)
    return DataError(f"what came from {url} is not the whole file; it was deleted, try again")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
