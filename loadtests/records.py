"""The records that classifiers are asked to label: generated books and papers of real lengths.

Log-normal laws fitted by eye to the first 8,000 rows of the data sets that the recipes train on: a paper's abstract has
a median of 175 words and hardly ever fewer than 80, a book's blurb has one of 100 and a long tail, a book's title has
three words. The words are those of `vocabulary.py`, so a table of n-grams has seen next to none of them; a row costs
the same look-ups either way.
"""

from dataclasses import dataclass

from features.records import RECORDS, Kind
from loadtests.workload import Lengths, generate


@dataclass(frozen=True)
class Shape:
    """How long a record's fields are."""

    title: Lengths
    body: Lengths


SHAPES: dict[Kind, Shape] = {
    "book": Shape(Lengths(3, 0.63, 1, 14), Lengths(100, 0.65, 15, 350)),
    "paper": Shape(Lengths(10, 0.32, 3, 20), Lengths(175, 0.27, 80, 280)),
}


def make_records(kind: Kind, count: int, seed: int) -> list[dict[str, str]]:
    """Return `count` records as callers send them; the same kind, count and seed always give the same ones."""
    shape, body = SHAPES[kind], RECORDS[kind].body
    titles = generate(count, 2 * seed, shape.title)
    bodies = generate(count, 2 * seed + 1, shape.body)
    return [{"title": title.removesuffix("."), body: text} for title, text in zip(titles, bodies, strict=True)]
