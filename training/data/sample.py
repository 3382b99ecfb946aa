"""Generated samples: data that looks like the real thing and can be learnt, so that everything runs without any.

Each label has words of its own; a text mixes those of its labels with words of no meaning and a few of other labels.
Some labels are wrong, some rows are there twice, and entities, tags and LaTeX are strewn in as real records have them.
Only `random.Random` and sums decide, so a seed gives the same rows on every machine.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate
from random import Random

import polars as pl

from training.data.errors import DataError
from training.data.sample_words import (
    AUTHORS,
    BOOK_PAIRS,
    BOOK_WORDS,
    FILLERS,
    PAPER_PAIRS,
    PAPER_WORDS,
    SCIENCE_FILLERS,
)

PREFIX = "sample-"
"""What the ids of generated rows begin with."""

TOPICAL, STRAY = 0.12, 0.06
"""Shares of words that belong to the row's labels, and to any label."""
PAIRED, WRONG, REPEATED = 0.45, 0.05, 0.02
"""Shares of rows with a second label, with a wrong one, and that repeat an earlier row."""
FIRST_DAY, DAYS = date(2024, 1, 1), 600

Row = dict[str, object]


def sample(name: str, rows: int = 3000, seed: int = 0) -> pl.DataFrame:
    """Generate a sample of a data set: id, the record's fields, labels, and time for papers.

    Raises:
        DataError: there is no generator of that name.
    """
    makers: dict[str, Callable[[Random, int, int], Row]] = {"genres": _book, "papers": _paper}
    if name not in makers:
        raise DataError(f"no sample of {name!r} can be generated; known: {', '.join(makers)}")
    random = Random(seed)
    made: list[Row] = []
    for at in range(rows):
        row = makers[name](random, at, rows)
        if made and random.random() < REPEATED:
            row = _repeated(random.choice(made), row, random)
        made.append(row)
    schema = {"labels": pl.List(pl.String)} | ({"time": pl.Date} if name == "papers" else {})
    return pl.DataFrame(made, schema_overrides=schema)


def _book(random: Random, at: int, rows: int) -> Row:
    labels = _labels(random, BOOK_WORDS, BOOK_PAIRS)
    words = _words(random, BOOK_WORDS, labels, FILLERS, 25 + int(70 * random.random()))
    title = " ".join(word.capitalize() for word in ["The", *random.sample(words, 2)])
    return {
        "id": f"{PREFIX}{at:06d}",
        "title": title,
        "description": _strewn(random, _sentences(words), 0.1, (" &amp; ", "<br />", " &quot;so&quot; ", "&#39; ")),
        "author": random.choice(AUTHORS),
        "labels": _mistaken(random, labels, BOOK_WORDS),
    }


def _paper(random: Random, at: int, rows: int) -> Row:
    labels = _labels(random, PAPER_WORDS, PAPER_PAIRS)
    words = _words(random, PAPER_WORDS, labels, SCIENCE_FILLERS, 35 + int(80 * random.random()))
    latex = (" $\\alpha$-", " $10^{-3}$ ", " \\emph{new} ", ' Schr\\"odinger ', " 5\\% ", " $O(n \\log n)$ ")
    wrong = _mistaken(random, labels, PAPER_WORDS)
    return {
        "id": f"{PREFIX}{at:06d}",
        "title": " ".join(random.sample(words, 5)).capitalize(),
        "abstract": _strewn(random, _sentences(words), 0.3, latex),
        "labels": sorted({*wrong, "eess.SY"}) if "cs.SY" in wrong else wrong,
        "time": FIRST_DAY + timedelta(days=at * DAYS // rows),
    }


def _labels(random: Random, words: Mapping[str, Sequence[str]], pairs: Mapping[str, Sequence[str]]) -> list[str]:
    """Draw one or two labels: the first ones of the table are the frequent ones."""
    keys = list(words)
    first = random.choices(keys, cum_weights=list(accumulate(1 / (3 + at) for at in range(len(keys)))))[0]
    if random.random() >= PAIRED:
        return [first]
    return sorted({first, random.choice(pairs.get(first, keys))})


def _mistaken(random: Random, labels: list[str], words: Mapping[str, Sequence[str]]) -> list[str]:
    if random.random() >= WRONG:
        return labels
    return sorted({*labels[1:], random.choice(list(words))})


def _words(
    random: Random, table: Mapping[str, Sequence[str]], labels: Sequence[str], fillers: Sequence[str], length: int
) -> list[str]:
    keys = list(table)
    words = []
    for _ in range(length):
        lot = random.random()
        if lot < TOPICAL:
            words.append(random.choice(table[random.choice(labels)]))
        elif lot < TOPICAL + STRAY:
            words.append(random.choice(table[random.choice(keys)]))
        else:
            words.append(random.choice(fillers))
    return words


def _sentences(words: Sequence[str]) -> str:
    return " ".join(" ".join(words[at : at + 11]).capitalize() + "." for at in range(0, len(words), 11))


def _strewn(random: Random, text: str, share: float, pieces: Sequence[str]) -> str:
    if random.random() >= share:
        return text
    at = text.find(" ", int(len(text) * random.random()))
    return text[:at] + random.choice(pieces) + text[at + 1 :] if at > 0 else text


def _repeated(old: Row, new: Row, random: Random) -> Row:
    """Return an earlier row under a new id, written a little differently."""
    again = {**old, "id": new["id"]} | ({"time": new["time"]} if "time" in new else {})
    return again | {"title": str(old["title"]).upper()} if random.random() < 0.5 else again
