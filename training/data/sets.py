"""A data set as training takes it: read, without duplicates, its labels chosen, its rows counted and fingerprinted."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from features.labels import Label
from training.config import Config
from training.data.arrays import holding
from training.data.dedup import deduplicate
from training.data.errors import DataError
from training.data.fingerprint import fingerprint
from training.data.reading import read
from training.data.sample import PREFIX, sample
from training.data.source import LabelSource
from training.data.sources import label_source_of, locate
from training.data.splits import PROTOCOLS, SplitConfig
from training.data.undersample import count_labels

SAMPLE_MIN_COUNT = 10


class DataConfig(Config):
    """Which rows and which labels."""

    name: str
    """A name of `jubako data list`."""
    path: Path | None = None
    """A file or a folder; None: JUBAKO_DATA_DIR, else the cache, else a generated sample."""
    min_count: int | None = Field(None, ge=1)
    """Rows from which a label counts; None: 200 for papers, 1 for genres, 10 in generated samples."""
    most_frequent: int = Field(0, ge=0)
    """How many labels at most, the most frequent first; 0: all that have `min_count` rows."""
    unlabelled: Literal["keep", "drop"] = "drop"
    """What becomes of rows that have none of the labels."""
    max_rows: int = Field(0, ge=0)
    """How many rows at most, drawn by the hashes of their ids, after the labels are chosen; 0: all."""
    sample_rows: int = Field(3000, ge=100)
    """Rows to generate where there is no real data."""
    sample_seed: int = Field(0, ge=0)
    """Seed of the generator."""
    split: SplitConfig | None = None
    """How the rows are divided; None: the data set's protocol."""

    @property
    def protocol(self) -> SplitConfig:
        """How the rows are divided."""
        return self.split or PROTOCOLS.get(self.name, SplitConfig())


@dataclass(frozen=True)
class DataSet:
    """Rows with columns id, the record's fields, labels, all_labels, group, and time where there is time."""

    source: LabelSource
    frame: pl.DataFrame
    labels: tuple[str, ...]
    """All labels, sorted; the column `labels` holds no others, `all_labels` also those that are too rare, and tags."""
    description: str
    """What it is and where it came from, for people, reports and bundles."""
    generated: bool
    """Whether it is a generated sample: good for trying out, and for nothing else."""
    fingerprint: str
    """Of `frame`, see `training.data.fingerprint`."""
    read: int
    """Rows read."""
    merged: int
    """Rows that were duplicates of others."""
    unlabelled: int
    """Rows with none of the labels, whether kept or dropped."""

    def label_names(self) -> list[Label]:
        """Return the labels, in order, with their display names."""
        return self.source.labels(self.labels)

    def implications(self, train: pl.DataFrame) -> list[tuple[str, str]]:
        """Return the implications between labels that the training rows bear out."""
        ours = set(self.labels)
        return holding(train, [pair for pair in self.source.candidates if ours.issuperset(pair)])


def load(config: DataConfig) -> DataSet:
    """Read a data set from where it is, or generate its sample where it is not.

    Raises:
        DataError: the name is unknown, the file is unfit, or no label has enough rows.
    """
    source = label_source_of(config.name)
    located = locate(source, config.path)
    if located.path is None:
        frame, origin = sample(source.name, config.sample_rows, config.sample_seed), f"seed {config.sample_seed}"
    else:
        frame, origin = read(source, located.path), located.path.name
    rows = deduplicate(frame, source.body)
    generated = bool(frame["id"].str.starts_with(PREFIX).any())
    labels = _chosen(rows.frame, config, SAMPLE_MIN_COUNT if generated else source.min_count)
    kept = rows.frame.with_columns(
        pl.col("labels").list.filter(pl.element().is_in(list(labels))), all_labels=_everything(rows.frame)
    )
    unlabelled = int((kept["labels"].list.len() == 0).sum())
    if config.unlabelled == "drop":
        kept = kept.filter(pl.col("labels").list.len() > 0)
    kept = _drawn(kept, config.max_rows)
    what = "GENERATED SAMPLE, for trying out only" if generated else source.about
    return DataSet(
        source, kept, labels, f"{what} ({origin}, {kept.height:,} rows)", generated, fingerprint(kept),
        read=frame.height, merged=rows.merged, unlabelled=unlabelled,
    )  # fmt: skip


def _chosen(frame: pl.DataFrame, config: DataConfig, default: int) -> tuple[str, ...]:
    """Return the labels that have enough rows, sorted; counted on all rows, as the published protocols do."""
    least = config.min_count or default
    frequent = [label for label, rows in count_labels(frame).items() if rows >= least]
    if not frequent:
        raise DataError(f"no label of {config.name} has {least} rows; lower min_count")
    return tuple(sorted(frequent[: config.most_frequent or None]))


def _everything(frame: pl.DataFrame) -> pl.Expr:
    """Labels, and tags where the data set has them: what a model may learn besides."""
    return pl.concat_list("labels", "tags") if "tags" in frame.columns else pl.col("labels")


def _drawn(frame: pl.DataFrame, most: int) -> pl.DataFrame:
    if not 0 < most < frame.height:
        return frame
    lots = [blake2b(key.encode(), digest_size=8).digest() for key in frame["id"]]
    return frame.with_columns(_lot=pl.Series(lots, dtype=pl.Binary)).sort("_lot").head(most).drop("_lot").sort("id")
