"""What rows a model was trained on, in one number."""

from hashlib import sha256

import polars as pl

SLICE = 20_000
"""Rows written out at a time."""


def fingerprint(frame: pl.DataFrame) -> str:
    """Return the sha256, in hex, of the rows as JSON lines in the order of their ids, with columns sorted by name.

    Neither the order of rows and columns nor the file format changes it.
    """
    ordered = frame.select(sorted(frame.columns)).sort("id")
    digest = sha256()
    for rows in ordered.iter_slices(SLICE):
        digest.update(rows.write_ndjson().encode())
    return digest.hexdigest()
