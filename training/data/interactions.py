"""Who met what, as recommenders take it: merged, filtered to a k-core, numbered, with what is known of both sides."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from training.config import Config
from training.data.errors import DataError
from training.data.fingerprint import fingerprint
from training.data.holdout import HoldoutConfig
from training.data.kcore import kcore
from training.data.lots import lots_of
from training.data.obtain import Say, located_or_fetched, say_on_stderr
from training.data.reading import read_tables
from training.data.sample import PREFIX
from training.data.sample_interactions import SampleConfig, sample_interactions
from training.data.source import InteractionSource
from training.data.sources import interaction_source_of
from training.data.tables import Tables


class InteractionsConfig(Config):
    """Which interactions, and which of them are kept aside."""

    name: str
    """A name of `jubako data list` that holds interactions: book-crossing, goodbooks, amazon-books."""
    path: Path | None = None
    """A folder; None: JUBAKO_DATA_DIR, else the cache, else a public source that needs no account, else a sample."""
    download: bool = True
    """Whether a data set that is nowhere may be fetched from its public source before a sample is generated."""
    min_user: int = Field(5, ge=1)
    """Interactions that a user must have; see `kcore`."""
    min_item: int = Field(5, ge=1)
    """Interactions that an item must have."""
    untitled: Literal["keep", "drop"] | None = None
    """What becomes of items of which not even the title is known; None: drop in book-crossing, else keep."""
    max_users: int = Field(0, ge=0)
    """How many users at most, drawn from the k-core by the hashes of their ids; 0: all."""
    max_rows: int = Field(0, ge=0)
    """How many interactions at most: users are drawn as long as theirs fit; 0: all."""
    sample: SampleConfig = SampleConfig()
    """What to generate where there is no real data."""
    holdout: HoldoutConfig = HoldoutConfig()
    """How the interactions are divided."""


@dataclass(frozen=True)
class Interactions:
    """Interactions in the order of users, then items; no pair occurs twice."""

    users: NDArray[np.int64]
    """[n], from 0 on, each at least once."""
    items: NDArray[np.int64]
    """[n], from 0 on, each at least once."""
    ratings: NDArray[np.float32] | None
    """[n], on the data set's own scale, NaN where they only met; None: the data set has none."""
    times: NDArray[np.float64] | None
    """[n], seconds since 1970, NaN where not known; None: the data set has none."""
    user_ids: tuple[str, ...]
    """Of each user; shorter ids come first, so that numbers are in their order."""
    item_ids: tuple[str, ...]
    """Of each item, in the same order."""
    books: pl.DataFrame
    """A row for each item: id, title, author, year, publisher, tags; texts empty and the year null where unknown."""
    people: pl.DataFrame
    """A row for each user: id, country, age; empty and null where unknown."""
    source: InteractionSource
    description: str
    """What it is and where it came from, for people, reports and bundles."""
    generated: bool
    """Whether it is a generated sample: good for trying out, and for nothing else."""
    fingerprint: str
    """sha256, in hex, of pairs, ratings, times, books and people."""
    read: int
    """Different pairs read, before those outside the k-core were left out."""

    def __len__(self) -> int:
        return len(self.users)


def load_interactions(config: InteractionsConfig, say: Say = say_on_stderr) -> Interactions:
    """Read interactions from where they are, or fetch them, or generate a sample.

    Args:
        config: which ones.
        say: told about a download, and that there is only a sample.

    Raises:
        DataError: the name is unknown, a file is unfit, or no k-core is left.
    """
    source = interaction_source_of(config.name)
    found = located_or_fetched(source, config.path, config.download, say)
    if found.paths:
        data, origin = read_tables(source, found.paths), found.paths[0].parent.name
    else:
        data, origin = sample_interactions(source.name, config.sample), f"seed {config.sample.seed}"
    return build(source, data, config, origin)


def build(source: InteractionSource, data: Tables, config: InteractionsConfig, origin: str) -> Interactions:
    """Merge, filter, number and describe interactions; the order of rows does not matter.

    Args:
        source: what they are.
        data: the tables.
        config: what to keep.
        origin: for people: where they came from.

    Raises:
        DataError: no k-core is left.
    """
    all_users, all_items, pairs = _numbered_pairs(data, config.untitled or source.untitled)
    users, items = (pairs[name].to_numpy().astype(np.int64) for name in ("user", "item"))
    kept = _drawn(users, items, all_users, config)
    if not len(kept):
        raise DataError(
            f"no user of {config.name} has {config.min_user} items that {config.min_item} users have; "
            "lower min_user or min_item, or take more users"
        )
    user_ids, users = _renumbered(all_users, users[kept])
    item_ids, items = _renumbered(all_items, items[kept])
    order = np.lexsort((items, users))
    rows = kept[order]
    books, people = _aligned(data.books, item_ids), _aligned(data.people, user_ids)
    users, items = users[order], items[order]
    ratings, times = (_values(pairs[name], rows) for name in ("rating", "time"))
    generated = item_ids[0].startswith(PREFIX)
    what = "GENERATED SAMPLE, for trying out only" if generated else source.about
    counts = f"{len(users):,} interactions of {len(user_ids):,} users with {len(item_ids):,} items"
    return Interactions(
        users, items, ratings.astype(np.float32) if ratings is not None else None, times, user_ids, item_ids, books,
        people, source, f"{what} ({origin}, {counts})", generated,
        _digest([users, items, ratings, times], user_ids, item_ids, [books, people]), read=pairs.height,
    )  # fmt: skip


def _numbered_pairs(data: Tables, untitled: Literal["keep", "drop"]) -> tuple[list[str], list[str], pl.DataFrame]:
    """Return the names of users and of items, and each pair of their numbers with its highest rating and first time."""
    rows = data.meetings
    if untitled == "drop":
        rows = rows.join(data.books.filter(pl.col("title") != ""), left_on="item", right_on="id", how="semi")
    users, items = _names(rows["user"]), _names(rows["item"])
    numbered = rows.select(  # polars numbers the values of an Enum in the order given
        pl.col("user").cast(pl.Enum(users)).to_physical(), pl.col("item").cast(pl.Enum(items)).to_physical(),
        "rating", "time",
    )  # fmt: skip
    pairs = numbered.group_by("user", "item").agg(pl.col("rating").max(), pl.col("time").min())
    return users.to_list(), items.to_list(), pairs


def _names(column: pl.Series) -> pl.Series:
    """Return the different names, shorter ones first, then by the alphabet."""
    return column.unique().to_frame("id").sort(pl.col("id").str.len_chars(), "id")["id"]


def _renumbered(names: Sequence[str], numbers: NDArray[np.int64]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names that still occur, and each row's number among them."""
    left, again = np.unique(numbers, return_inverse=True)
    return tuple(names[at] for at in left.tolist()), again.astype(np.int64)


def _drawn(
    users: NDArray[np.int64], items: NDArray[np.int64], user_ids: list[str], config: InteractionsConfig
) -> NDArray[np.int64]:
    """Return the rows of the k-core, of the drawn users' own k-core where not all users are wanted."""
    rows = np.flatnonzero(kcore(users, items, config.min_user, config.min_item))
    if not len(rows) or not (config.max_users or config.max_rows):
        return rows
    sizes = np.bincount(users[rows], minlength=len(user_ids))
    inside = np.flatnonzero(sizes)
    queue = inside[np.argsort(lots_of([user_ids[at] for at in inside.tolist()], seed=0), kind="stable")]
    few = queue[: config.max_users or None]
    if config.max_rows:
        few = few[np.cumsum(sizes[few]) <= config.max_rows]
    rows = rows[np.isin(users[rows], few)]
    return rows[kcore(users[rows], items[rows], config.min_user, config.min_item)]


def _aligned(frame: pl.DataFrame, ids: Sequence[str]) -> pl.DataFrame:
    """Return the row of each id, in order; ids without one get a row of nothing known."""
    known = pl.DataFrame({"id": ids}, schema={"id": pl.String}).join(frame, on="id", how="left", maintain_order="left")
    return known.with_columns(
        *(pl.col(name).fill_null("") for name, kind in known.schema.items() if kind == pl.String),
        *(pl.col(name).fill_null([]) for name, kind in known.schema.items() if isinstance(kind, pl.List)),
    )


def _values(column: pl.Series, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
    if column.null_count() == len(column):
        return None
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()[rows]


def _digest(
    arrays: Sequence[NDArray[np.int64] | NDArray[np.float64] | None],
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    frames: Sequence[pl.DataFrame],
) -> str:
    digest = sha256()
    for array in arrays:
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes() if array is not None else b"none")
    for ids in (user_ids, item_ids):
        digest.update("\0".join(ids).encode())
    for frame in frames:
        digest.update(fingerprint(frame).encode())
    return digest.hexdigest()
