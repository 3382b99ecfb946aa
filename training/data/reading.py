"""Files -> frames, in the public formats or in our own: id, the record's fields, labels, perhaps time."""

import json
from pathlib import Path

import polars as pl

from features.records import RECORDS
from training.data.errors import DataError
from training.data.sources import Source

SUFFIXES = (".parquet", ".csv", ".json", ".jsonl")


def read(source: Source, path: Path) -> pl.DataFrame:
    """Read the rows of a data set; rows without any text are left out.

    Raises:
        DataError: the file is not what it should be.
    """
    columns = check(source, path)
    try:
        frame = pl.read_parquet(path) if "labels" in columns else source.read(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} cannot be read as {source.name}: {error}") from error
    essential = RECORDS[source.kind].essential
    return frame.filter(pl.any_horizontal(pl.col(field).str.strip_chars() != "" for field in essential))


def check(source: Source, path: Path) -> frozenset[str]:
    """Return the columns of a file after checking, by its head alone, that it holds the data set.

    Raises:
        DataError: it cannot be read or lacks columns.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: unknown format; known: {', '.join(SUFFIXES)}")
    try:
        columns = _columns(path)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    ours = frozenset({"id", "labels", *RECORDS[source.kind].essential})
    if ours <= columns or ("labels" not in columns and source.columns <= columns):
        return columns
    raise DataError(
        f"{path} does not hold {source.name}: no column {', '.join(sorted(source.columns - columns)) or 'id'}"
    )


def _columns(path: Path) -> frozenset[str]:
    if path.suffix == ".parquet":
        return frozenset(pl.read_parquet_schema(path))
    if path.suffix == ".csv":
        return frozenset(pl.scan_csv(path, infer_schema=False).collect_schema().names())
    with path.open(encoding="utf-8") as lines:
        first = json.loads(next(lines, "{}"))
    if not isinstance(first, dict):
        raise ValueError("the lines are no JSON objects")
    return frozenset(first)
