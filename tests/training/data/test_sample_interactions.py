import numpy as np
import polars as pl
import pytest

from training.data.holdout import HoldoutConfig, hold_out
from training.data.interactions import Interactions, InteractionsConfig, load_interactions
from training.data.sample import PREFIX
from training.data.sample_interactions import SampleConfig, sample_interactions
from training.data.sources import MET
from training.data.tables import BOOKS, MEETINGS, PEOPLE


def loaded(name: str = "goodbooks", rows: int = 30_000) -> Interactions:
    config = InteractionsConfig(name=name, sample=SampleConfig(rows=rows), download=False)
    return load_interactions(config, say=lambda line: None)


def test_the_sample_is_the_same_on_every_machine() -> None:
    assert {name: loaded(name, 2000).fingerprint[:16] for name in MET} == {
        "book-crossing": "0d9c735cf012cf5c",
        "goodbooks": "a6c7bd50749c1677",
        "amazon-books": "c2964b944726d5c1",
    }


def test_a_seed_gives_the_same_rows_and_another_seed_others() -> None:
    one, same, other = (sample_interactions("goodbooks", SampleConfig(rows=500, seed=seed)) for seed in (1, 1, 2))
    assert one.meetings.equals(same.meetings)
    assert one.books.equals(same.books)
    assert not one.meetings.equals(other.meetings)


@pytest.mark.parametrize("rows", [200, 3000])
def test_tables_have_their_columns_and_ids_their_mark(rows: int) -> None:
    data = sample_interactions("book-crossing", SampleConfig(rows=rows))
    assert data.meetings.schema == MEETINGS
    assert data.books.schema == BOOKS
    assert data.people.schema == PEOPLE
    assert data.meetings.height == rows
    for ids in (data.meetings["user"], data.meetings["item"], data.books["id"], data.people["id"]):
        assert ids.str.starts_with(PREFIX).all()
    assert set(data.meetings["item"]) <= set(data.books["id"])
    assert not data.books.filter((pl.col("title") == "") | (pl.col("author") == "")).height


def test_some_books_are_read_by_many_and_most_by_few() -> None:
    counts = np.sort(np.bincount(loaded().items))[::-1]
    assert counts[: len(counts) // 10].sum() > 0.3 * counts.sum()
    assert counts[0] > 8 * np.median(counts)


def test_tastes_can_be_learnt() -> None:
    data = loaded(rows=10_000)
    held = hold_out(data, HoldoutConfig())
    popular = np.asarray(held.train.sum(axis=0)).ravel().astype(float)
    genres = np.unique(data.books["tags"].list.first(), return_inverse=True)[1]
    authors = np.unique(data.books["author"], return_inverse=True)[1]
    by_popularity: list[float] = []
    by_taste: list[float] = []
    for user in range(len(data.user_ids)):
        seen, wanted = held.history[user].indices, held.test[user].indices
        taste = np.isin(authors, authors[seen]) + np.bincount(genres[seen], minlength=genres.max() + 1)[genres] / len(
            seen
        )
        for recalls, scores in ((by_popularity, popular), (by_taste, popular * taste)):
            order = np.argsort(-scores, kind="stable")
            recalls.append(np.isin(wanted, order[~np.isin(order, seen)][:20]).mean())
    assert np.mean(by_taste) > 1.25 * np.mean(by_popularity)


def test_age_and_country_tell_something_of_the_taste() -> None:
    data = loaded()
    ages, countries = data.people["age"].to_numpy(), data.people["country"].to_numpy()
    genres = data.books["tags"].list.first().to_numpy()[data.items]
    overall = np.unique(genres, return_counts=True)[1].max() / len(genres)
    shares = []
    for decade in range(2, 7):
        for country in ("usa", "canada"):
            theirs = genres[np.isin(data.users, np.flatnonzero((ages // 10 == decade) & (countries == country)))]
            shares.append(np.unique(theirs, return_counts=True)[1].max() / len(theirs))
    assert np.mean(shares) > 1.4 * overall
