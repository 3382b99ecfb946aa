"""Amazon Books as research uses it since KGAT and LightGCN: who bought or reviewed what, without ratings or times."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from training.data.source import Form, InteractionSource
from training.data.tables import Tables, tables

SITE = "https://raw.githubusercontent.com/gusye1234/LightGCN-PyTorch/master/data/amazon-book"


def read_parquet(paths: Sequence[Path]) -> Tables:
    """Read the interactions and what is known of the items, which is a title for one in five."""
    met, items = map(pl.read_parquet, paths)
    return tables(met.select(user="user_id", item="item_id"), items.select("title", "author", "year", id="item_id"))


def read_lists(paths: Sequence[Path]) -> Tables:
    """Read the public lists: in each line a user and their items, in two parts; and the items, of which nothing more.

    The division into parts is not ours and is undone.
    """
    *parts, items = paths
    met = pl.concat([_lines(path) for path in parts]).select(pl.col("line").str.strip_chars().str.split(" "))
    pairs = met.select(
        user=pl.col("line").list.first(), item=pl.col("line").list.slice(1)
    ).explode("item")  # fmt: skip
    listed = _lines(items).slice(1).select(id=pl.col("line").str.split(" ").list.get(1, null_on_oob=True))
    return tables(pairs.filter(pl.col("item") != ""), listed.drop_nulls())


def _lines(path: Path) -> pl.DataFrame:
    return pl.DataFrame({"line": path.read_text(encoding="utf-8").splitlines()}, schema={"line": pl.String})


AMAZON_BOOKS = InteractionSource(
    name="amazon-books",
    kind="book",
    published=(
        Form(
            {
                "amazon_books_interactions.parquet": frozenset({"user_id", "item_id"}),
                "amazon_books_items.parquet": frozenset({"item_id", "title", "author", "year"}),
            },
            read_parquet,
        ),
        Form({"train.txt": frozenset(), "test.txt": frozenset(), "item_list.txt": frozenset()}, read_lists),
    ),
    about="books that Amazon's customers bought or reviewed, implicit",
    terms="Amazon reviews (McAuley), as released with KGAT and LightGCN: for research",
    urls=(f"{SITE}/train.txt", f"{SITE}/test.txt", f"{SITE}/item_list.txt"),
    by_hand=f"download train.txt, test.txt and item_list.txt from {SITE} into one folder",
)
