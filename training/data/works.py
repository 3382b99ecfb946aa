"""Fan works as training takes them: read or generated, numbered, divided by the hashes of their ids."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from training.config import Config
from training.data.errors import DataError
from training.data.fanworks import KINDS
from training.data.fingerprint import fingerprint
from training.data.lots import lots_of, mixed, shares
from training.data.obtain import Say, located_or_fetched, say_on_stderr
from training.data.reading import read_works
from training.data.sample import PREFIX
from training.data.sample_works import sample_works
from training.data.source import WorkSource
from training.data.sources import work_source_of

Rows = NDArray[np.int64]


class WorksConfig(Config):
    """Which works, and which of them are kept aside."""

    name: str = "fanworks"
    """A name of `jubako data list` that holds fan works."""
    path: Path | None = None
    """A file or a folder; None: JUBAKO_DATA_DIR, else the cache, else a generated sample."""
    max_rows: int = Field(0, ge=0)
    """How many works at most, drawn by the hashes of their ids; 0: all."""
    sample_rows: int = Field(3000, ge=100)
    """Works to generate where there is no real data."""
    sample_seed: int = Field(0, ge=0)
    """Seed of the generator."""
    test: float = Field(0.1, gt=0, lt=0.5)
    """Share of works whose neighbours are judged."""
    validation: float = Field(0.1, gt=0, lt=0.5)
    """Share of works whose neighbours choose the checkpoint."""
    seed: int = Field(0, ge=0)
    """Of the lots that divide them."""


@dataclass(frozen=True)
class Works:
    """Fan works and which of them train."""

    frame: pl.DataFrame
    """See `training.data.fanworks.SCHEMA`; shorter ids come first, so that numbers are in their order."""
    train: NDArray[np.int64]
    """Rows of `frame`, ascending."""
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    source: WorkSource
    description: str
    """What it is and where it came from, for people, reports and bundles."""
    generated: bool
    """Whether it is a generated sample: good for trying out, and for nothing else."""
    fingerprint: str
    """Of `frame`, see `training.data.fingerprint`."""

    def __len__(self) -> int:
        return self.frame.height

    @property
    def ids(self) -> tuple[str, ...]:
        """Id of each work."""
        return tuple(self.frame["id"])

    def tags(self, kind: str) -> pl.Series:
        """Return the tags of one kind, such as relationship: a list for each work."""
        if kind not in KINDS:
            raise DataError(f"works have no tags of kind {kind!r}; kinds: {', '.join(KINDS)}")
        return self.frame["tags"].struct.field(kind)

    def records(self, rows: NDArray[np.int64] | None = None) -> list[dict[str, object]]:
        """Return works as `features.works.Work` reads them, all or the given rows."""
        frame = self.frame if rows is None else self.frame[rows]
        return frame.to_dicts()


def load_works(config: WorksConfig, say: Say = say_on_stderr) -> Works:
    """Read fan works from where they are, or generate a sample where they are not.

    Raises:
        DataError: the name is unknown, the file is unfit, or a part would be empty.
    """
    source = work_source_of(config.name)
    found = located_or_fetched(source, config.path, download=True, say=say)
    if found.path is None:
        frame, origin = sample_works(config.sample_rows, config.sample_seed), f"seed {config.sample_seed}"
    else:
        frame, origin = read_works(source, found.path), found.path.name
    frame = frame.unique("id", keep="first", maintain_order=True).sort(pl.col("id").str.len_chars(), "id")
    if 0 < config.max_rows < frame.height:
        # not by the lots that divide works: the fewest of those are all test
        drawn = mixed(lots_of(frame["id"].to_list(), seed=0), lots_of(["drawn"], seed=0))
        few = np.argsort(drawn, kind="stable")[: config.max_rows]
        frame = frame[np.sort(few)]
    parts = _divided(frame, config)
    generated = bool(frame["id"].str.starts_with(PREFIX).any())
    what = "GENERATED SAMPLE, for trying out only" if generated else source.about
    about = f"{what} ({origin}, {frame.height:,} works)"
    return Works(frame, *parts, source, about, generated, fingerprint(frame))


def _divided(frame: pl.DataFrame, config: WorksConfig) -> tuple[Rows, Rows, Rows]:
    """Return the rows that train, those that choose and those that judge; a work's part hangs on its id alone."""
    lots = shares(lots_of(frame["id"].to_list(), config.seed))
    held = config.test + config.validation
    train, test = lots >= held, lots < config.test
    parts = np.flatnonzero(train), np.flatnonzero(~train & ~test), np.flatnonzero(test)
    if not all(map(len, parts)):
        raise DataError(f"{frame.height} works leave none for a part; take more works or other shares")
    return parts
