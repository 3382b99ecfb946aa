"""Generated readers and books with a structure to learn: tastes for genres and authors, hits, countries and ages.

A reader has a genre that fits their age and country, a second one, and an author of the first; each draw follows one of
the three or what is popular with all. Only uniform numbers, sums and products decide, so a seed gives the same rows on
every machine.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from training.config import Config
from training.data.sample import PREFIX
from training.data.sample_words import BOOK_WORDS
from training.data.tables import Tables, tables

GENRES = tuple(BOOK_WORDS)
COUNTRIES = ("usa", "canada", "united kingdom", "germany", "spain", "australia", "france", "japan")
GIVEN = ("Ada", "Bela", "Cato", "Dora", "Emil", "Fay", "Gus", "Hedy", "Ivo", "Jun", "Kim", "Lea", "Max", "Nia", "Oki")
FAMILY = ("Abel", "Brun", "Cole", "Dahl", "Eze", "Falk", "Gray", "Haas", "Ito", "Jelen", "Kato", "Lund", "Moss", "Ness")
HOUSES = ("Lantern", "North Gate", "Halcyon", "Blue Heron", "Paper Mill", "Old Bridge")

ROWS_EACH, ROWS_A_BOOK, BOOKS_AN_AUTHOR = 25, 40, 5
"""Interactions of a reader and of a book, and books of an author, on average."""
GENRE, SECOND, AUTHOR = 0.45, 0.15, 0.25
"""Shares of draws from the reader's genre, the second genre, the favourite author; the rest is what all read."""
TOLD, KNOWN = 0.4, 0.7
"""Shares of interactions with a rating and of readers whose age is known."""
DAYS, DAY_S, FIRST_S = 600, 86_400, 1_700_000_000

Numbers = NDArray[np.int64]


class SampleConfig(Config):
    """What to generate where there is no real data."""

    rows: int = Field(30_000, ge=200)
    """Draws; what is drawn twice counts once."""
    seed: int = Field(0, ge=0)
    """Of the generator."""


@dataclass(frozen=True)
class _Books:
    authors: Numbers
    genres: Numbers
    second: Numbers
    weights: NDArray[np.float64]
    """How much each is read."""


@dataclass(frozen=True)
class _Readers:
    genres: Numbers
    second: Numbers
    authors: Numbers
    countries: Numbers
    ages: Numbers
    weights: NDArray[np.float64]
    """How much each reads."""


def sample_interactions(name: str, config: SampleConfig | None = None) -> Tables:
    """Generate the tables of a data set; another name gives other rows."""
    config = config or SampleConfig()
    random = np.random.default_rng([config.seed, *name.encode()])
    books = _books(random, max(config.rows // ROWS_A_BOOK, 40))
    readers = _readers(random, max(config.rows // ROWS_EACH, 20), books)
    meetings = _meetings(random, config.rows, books, readers)
    return tables(meetings, _described(random, books), _people(random, readers))


def _books(random: np.random.Generator, count: int) -> _Books:
    authors = max(count // BOOKS_AN_AUTHOR, len(GENRES) // 2)
    of_authors = _pick(_falling(len(GENRES)), random.random(authors))
    written_by = _pick(_falling(authors), random.random(count))
    hits = np.argsort(random.random(count), kind="stable")
    return _Books(
        written_by, of_authors[written_by], _pick(_falling(len(GENRES)), random.random(count)), _falling(count)[hits]
    )


def _readers(random: np.random.Generator, count: int, books: _Books) -> _Readers:
    """Draw readers: decades and countries first, then genres, of which each decade and country likes its own."""
    countries = _pick(_falling(len(COUNTRIES)), random.random(count))
    ages = 12 + (random.random(count) * 60).astype(np.int64)
    liked = (ages // 10 * 5 + countries * 3) % len(GENRES)
    any_genre = _pick(_falling(len(GENRES)), random.random(count))
    genres = np.where(random.random(count) < 0.6, liked, any_genre)
    second = _pick(_falling(len(GENRES)), random.random(count))
    fitting = _within(books.genres, books.weights, genres, random.random(count))
    activity = _falling(count)[np.argsort(random.random(count), kind="stable")]
    return _Readers(genres, second, books.authors[fitting], countries, ages, activity)


def _meetings(random: np.random.Generator, rows: int, books: _Books, readers: _Readers) -> pl.DataFrame:
    users = np.concatenate(
        [
            np.repeat(np.arange(len(readers.genres)), min(8, rows // len(readers.genres))),
            _pick(readers.weights, random.random(max(rows - 8 * len(readers.genres), 0))),
        ]
    )
    why, where = random.random(len(users)), random.random(len(users))
    taste = np.where(why < GENRE, readers.genres[users], readers.second[users])
    by_genre = _within(books.genres, books.weights, taste, where)
    by_author = _within(books.authors, books.weights, readers.authors[users], where)
    by_all = _pick(books.weights, where)
    items = np.select([why < GENRE + SECOND, why < GENRE + SECOND + AUTHOR], [by_genre, by_author], by_all)
    fits = (books.genres[items] == readers.genres[users]) * 2 + (books.authors[items] == readers.authors[users])
    stars = np.clip(5 + fits + (random.random(len(users)) * 4).astype(np.int64), 1, 10)
    told = random.random(len(users)) < TOLD
    times = FIRST_S + (random.random(len(users)) * DAYS).astype(np.int64) * DAY_S
    return pl.DataFrame({"user": users, "item": items, "rating": stars, "time": times}).select(
        _id("user"), _id("item"), rating=pl.when(pl.Series(told)).then("rating"), time="time"
    )


def _described(random: np.random.Generator, books: _Books) -> pl.DataFrame:
    count = len(books.authors)
    words = (random.random((count, 2)) * 1000).astype(np.int64)
    titles = [_title(GENRES[genre], *pair) for genre, pair in zip(books.genres, words.tolist(), strict=True)]
    names = [f"{GIVEN[at % len(GIVEN)]} {FAMILY[at // len(GIVEN) % len(FAMILY)]}" for at in books.authors]
    tags = [list(dict.fromkeys((GENRES[a], GENRES[b]))) for a, b in zip(books.genres, books.second, strict=True)]
    years = 1950 + books.authors * 7 % 60 + (random.random(count) * 12).astype(np.int64)
    houses = (books.genres + (random.random(count) * 2).astype(np.int64)) % len(HOUSES)
    frame = pl.DataFrame({"id": np.arange(count), "title": titles, "author": names, "year": years, "tags": tags})
    return frame.with_columns(_id("id"), publisher=pl.Series([HOUSES[at] for at in houses]))


def _title(genre: str, first: int, second: int) -> str:
    words = BOOK_WORDS[genre]
    return f"The {words[first % len(words)].capitalize()} {words[second % len(words)].capitalize()}"


def _people(random: np.random.Generator, readers: _Readers) -> pl.DataFrame:
    known = pl.Series(random.random(len(readers.ages)) < KNOWN)
    frame = pl.DataFrame({"id": np.arange(len(readers.ages)), "age": readers.ages})
    countries = pl.Series([COUNTRIES[at] for at in readers.countries])
    return frame.select(_id("id"), country=countries, age=pl.when(known).then("age"))


def _id(column: str) -> pl.Expr:
    return (pl.lit(PREFIX) + pl.col(column).cast(pl.String).str.zfill(6)).alias(column)


def _falling(count: int) -> NDArray[np.float64]:
    """Return weights that fall as the ranks rise. [count]"""
    return 1 / (3.0 + np.arange(count))


def _pick(weights: NDArray[np.float64], numbers: NDArray[np.float64]) -> Numbers:
    """Return what numbers in [0, 1) stand for where places are as wide as their weights."""
    steps = np.cumsum(weights)
    at: Numbers = np.searchsorted(steps, numbers * steps[-1], side="right").clip(max=len(steps) - 1)
    return at


def _within(groups: Numbers, weights: NDArray[np.float64], wanted: Numbers, numbers: NDArray[np.float64]) -> Numbers:
    """Return a member of each wanted group, by weight; of an empty group, one of the group that comes next."""
    order = np.argsort(groups, kind="stable")
    steps = np.concatenate([[0.0], np.cumsum(weights[order])])
    begin = steps[np.searchsorted(groups[order], wanted, side="left")]
    end = steps[np.searchsorted(groups[order], wanted, side="right")]
    at = np.searchsorted(steps, begin + numbers * (end - begin), side="right") - 1
    found: Numbers = order[np.clip(at, 0, len(order) - 1)]
    return found
