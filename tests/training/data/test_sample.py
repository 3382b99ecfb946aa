import polars as pl
import pytest

from features.taxonomies.arxiv import CURRENT
from features.taxonomies.genres import GENRES
from training.data.errors import DataError
from training.data.fingerprint import fingerprint
from training.data.sample import sample
from training.data.sample_words import BOOK_PAIRS, BOOK_WORDS, PAPER_PAIRS, PAPER_WORDS
from training.data.sources import LABELLED
from training.data.undersample import count_labels

NAMES = sorted(LABELLED)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_same_rows_and_another_seed_others(name: str) -> None:
    assert sample(name, 200, seed=1).equals(sample(name, 200, seed=1))
    assert not sample(name, 200, seed=1).equals(sample(name, 200, seed=2))


def test_the_sample_is_the_same_on_every_machine() -> None:
    assert {name: fingerprint(sample(name, 200))[:16] for name in NAMES} == {
        "genres": "89cf28dbdf7a5aee",
        "papers": "bbe533a36ad3aac1",
    }


@pytest.mark.parametrize("name", NAMES)
def test_all_labels_occur_unevenly_and_together(name: str) -> None:
    frame = sample(name)
    counts = list(count_labels(frame).values())
    assert len(counts) == 24
    assert counts[0] > 4 * counts[-1] >= 40
    assert 0.3 < (frame["labels"].list.len() > 1).mean() < 0.6  # type: ignore[operator]


def test_words_and_pairs_are_of_known_labels() -> None:
    assert set(BOOK_WORDS) == set(GENRES)
    assert set(PAPER_WORDS) <= set(CURRENT)
    for words, pairs in ((BOOK_WORDS, BOOK_PAIRS), (PAPER_WORDS, PAPER_PAIRS)):
        assert set(pairs).union(*pairs.values()) <= set(words)


def test_samples_hold_what_cleaning_and_merging_are_for() -> None:
    books, papers = sample("genres"), sample("papers")
    assert books["description"].str.contains("&amp;").any()
    assert papers["abstract"].str.contains(r"\\emph\{").any()
    assert books["description"].is_duplicated().sum() > 20
    assert papers["time"].is_sorted()
    assert papers.filter(pl.col("labels").list.contains("cs.SY"))["labels"].list.contains("eess.SY").all()


def test_an_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(DataError, match="genres, papers"):
        sample("cooking")
