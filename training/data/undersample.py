"""Fewer rows of what there is plenty of: multi-label undersampling."""

import numpy as np
import polars as pl

from training.data.errors import DataError


def count_labels(frame: pl.DataFrame, column: str = "labels") -> dict[str, int]:
    """Return how many rows have each label, the most frequent first, equals by name."""
    labels = frame.select(pl.col(column).list.unique()).explode(column, keep_nulls=False, empty_as_null=False)
    counts = labels.group_by(column).len("rows").sort(["rows", column], descending=[True, False])
    return dict(counts.iter_rows())


def undersample(
    frame: pl.DataFrame, threshold: float | None = None, seed: int = 0, column: str = "labels"
) -> pl.DataFrame:
    """Drop rows of labels that have more than `threshold` rows; None: the median of the label counts.

    Each label of a row tosses on its own, with p_drop = max(0, (n - threshold) / n) for n rows of that label, and a row
    goes only if all of its labels say so: rows of a rare label stay, and so do rows without labels.

    Raises:
        DataError: the threshold is not positive.
    """
    counts = count_labels(frame, column)
    if not counts:
        return frame
    limit = float(np.median(list(counts.values()))) if threshold is None else threshold
    if limit <= 0:
        raise DataError(f"the threshold is a number of rows above 0, not {limit:g}")
    p_drop = {label: max(0.0, (rows - limit) / rows) for label, rows in counts.items()}
    votes = (
        frame.select(pl.col(column).list.unique(maintain_order=True))
        .with_row_index("row")
        .explode(column, keep_nulls=False, empty_as_null=False)
    )
    tosses = np.random.default_rng(seed).random(votes.height)  # [labels of all rows]
    p = votes[column].replace_strict(p_drop, return_dtype=pl.Float64).to_numpy()
    keep = np.ones(frame.height, dtype=np.bool_)
    keep[votes["row"].to_numpy()] = False
    keep[votes["row"].to_numpy()[tosses >= p]] = True
    return frame.filter(pl.Series(keep))
