"""Files -> frames, in the public formats or in our own."""

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from training.data.errors import DataError
from training.data.source import FileSource, InteractionSource, LabelSource, Source, WorkSource
from training.data.tables import Tables

SUFFIXES = (".parquet", ".csv", ".json", ".jsonl")
BROKEN = (pl.exceptions.PolarsError, OSError, ValueError)


def read(source: LabelSource, path: Path) -> pl.DataFrame:
    """Read the rows of a data set with labels; rows without any text are left out.

    Raises:
        DataError: the file is not what it should be.
    """
    frame = _read_file(source, path)
    return frame.filter(pl.any_horizontal(pl.col(field).str.strip_chars() != "" for field in ("title", source.body)))


def read_works(source: WorkSource, path: Path) -> pl.DataFrame:
    """Read fan works, see `training.data.fanworks.SCHEMA`.

    Raises:
        DataError: the file is not what it should be.
    """
    return _read_file(source, path)


def read_tables(source: InteractionSource, paths: Sequence[Path]) -> Tables:
    """Read interactions and what is known of both sides.

    Raises:
        DataError: a file is not what it should be.
    """
    check_files(source, paths)
    try:
        return source.form_of(paths).read(paths)
    except BROKEN as error:
        raise DataError(f"{paths[0].parent} cannot be read as {source.name}: {error}") from error


def check(source: FileSource, path: Path) -> frozenset[str]:
    """Return the columns of a file after checking, by its head alone, that it holds the data set.

    Raises:
        DataError: it cannot be read or lacks columns.
    """
    columns = _columns(path)
    if source.ours <= columns or source.columns <= columns:
        return columns
    missing = source.ours - columns if "labels" in columns else source.columns - columns
    raise DataError(f"{path} does not hold {source.name}: no column {', '.join(sorted(missing))}")


def check_files(source: Source, paths: Sequence[Path]) -> None:
    """Check, by their heads alone, that files hold a data set.

    Raises:
        DataError: a file cannot be read or lacks columns.
    """
    if isinstance(source, FileSource):
        check(source, paths[0])
    elif isinstance(source, InteractionSource):
        for path, (name, columns) in zip(paths, source.form_of(paths).files.items(), strict=True):
            missing = columns - _columns(path) if columns else frozenset[str]()
            if missing:
                raise DataError(
                    f"{path} does not hold the {name} of {source.name}: no column {', '.join(sorted(missing))}"
                )


def _read_file(source: FileSource, path: Path) -> pl.DataFrame:
    columns = check(source, path)
    try:
        return pl.read_parquet(path) if source.ours <= columns else source.read(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} cannot be read as {source.name}: {error}") from error


def _columns(path: Path) -> frozenset[str]:
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: unknown format; known: {', '.join(SUFFIXES)}")
    try:
        return _head(path)
    except BROKEN as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _head(path: Path) -> frozenset[str]:
    if path.suffix == ".parquet":
        return frozenset(pl.read_parquet_schema(path))
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", errors="replace") as lines:
            separator = ";" if '";"' in next(lines, "") else ","
        return frozenset(pl.scan_csv(path, infer_schema=False, separator=separator).collect_schema().names())
    with path.open(encoding="utf-8") as lines:
        first = json.loads(next(lines, "{}"))
    if not isinstance(first, dict):
        raise ValueError("the lines are no JSON objects")
    return frozenset(first)
