"""Frames -> what encoders and losses take."""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.clean import Cleaning
from features.records import RECORDS, Kind, parse_record

Targets = NDArray[np.bool_]  # [rows, labels]


def texts(frame: pl.DataFrame, kind: Kind, fields: Sequence[str], cleaning: Cleaning) -> list[str]:
    """Return each row's text exactly as serving composes it: rows go through the same reading, cleaning and joining."""
    columns = [field for field in RECORDS[kind].model_fields if field in frame.columns]
    rows = frame.select(columns).iter_rows(named=True)
    return [parse_record(kind, row).text(fields, cleaning) for row in rows]


def targets(frame: pl.DataFrame, labels: Sequence[str], column: str = "labels") -> Targets:
    """Return which row has which label, [rows, labels]; what is in the column besides does not count."""
    found = np.zeros((frame.height, len(labels)), dtype=np.bool_)
    place = {label: at for at, label in enumerate(labels)}
    pairs = (
        frame.select(pl.col(column).alias("labels"))
        .with_row_index("row")
        .explode("labels", keep_nulls=False, empty_as_null=False)
        .filter(pl.col("labels").is_in(list(labels)))
    )
    columns = pairs["labels"].replace_strict(place, return_dtype=pl.Int64)
    found[pairs["row"].to_numpy(), columns.to_numpy()] = True
    return found


def holding(
    frame: pl.DataFrame, candidates: Iterable[tuple[str, str]], share: float = 0.995, rows: int = 20
) -> list[tuple[str, str]]:
    """Return the pairs (a, b) of which at least `share` of the rows with a have b too, where a has at least `rows`."""
    kept = []
    for a, b in candidates:
        with_a = frame.filter(pl.col("labels").list.contains(a))
        if with_a.height >= rows and with_a["labels"].list.contains(b).mean() >= share:  # type: ignore[operator]
            kept.append((a, b))
    return kept
