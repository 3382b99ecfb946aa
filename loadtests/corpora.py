"""Real texts for the workload: paper abstracts, book blurbs and fan-work titles from Parquet files.

The files are read where they lie and never copied; their terms allow measuring, not passing on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars

from loadtests.workload import cut

READ_ROWS = 8192
"""Rows read of each file: enough to draw from, without decompressing a hundred thousand abstracts."""


@dataclass(frozen=True)
class Corpus:
    """One Parquet file and the columns whose values, joined, are a text."""

    file: str
    columns: tuple[str, ...]


CORPORA = (
    Corpus("arxiv_papers.parquet", ("abstract",)),
    Corpus("book_blurbs_goodreads.parquet", ("description",)),
    Corpus("fanworks.parquet", ("title", "fandom")),
)
"""Drawn from in equal shares. A fan work's title alone is often under six words, so its fandom follows it."""


def read_texts(folder: Path, count: int, seed: int) -> list[str]:
    """Return `count` texts of 6 to 180 words, mixed evenly from the corpora that lie in `folder`.

    Raises:
        FileNotFoundError: the folder holds none of the corpora; the message names them.
    """
    pools = [texts for corpus in CORPORA if (texts := list(_texts(folder, corpus)))]
    if not pools:
        names = ", ".join(corpus.file for corpus in CORPORA)
        raise FileNotFoundError(f"no texts in {folder}; expected at least one of {names}")
    rng = np.random.default_rng(seed)
    return [pool[int(rng.integers(len(pool)))] for pool in _turns(pools, count, rng)]


def _turns(pools: list[list[str]], count: int, rng: np.random.Generator) -> list[list[str]]:
    order = rng.permutation(count) % len(pools)
    return [pools[at] for at in order]


def _texts(folder: Path, corpus: Corpus) -> Iterator[str]:
    path = folder / corpus.file
    if not path.is_file():
        return
    for row in polars.read_parquet(path, columns=list(corpus.columns), n_rows=READ_ROWS).iter_rows():
        text = cut(" ".join(str(value or "") for value in row))
        if text is not None:
            yield text
