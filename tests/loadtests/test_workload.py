from pathlib import Path

import numpy as np
import pytest

from loadtests.vocabulary import frequencies, words
from loadtests.workload import (
    DATA_VARIABLE,
    MAX_WORDS,
    MEDIAN_WORDS,
    MIN_WORDS,
    TEXTS,
    Lengths,
    cut,
    generate,
    histogram,
    make_workload,
)


def test_the_same_seed_gives_the_same_texts() -> None:
    assert generate(50, seed=3) == generate(50, seed=3)


def test_another_seed_gives_other_texts() -> None:
    assert generate(50, seed=3) != generate(50, seed=4)


def test_every_text_has_between_6_and_180_words() -> None:
    lengths = [len(text.split()) for text in generate(3000, seed=1)]
    assert min(lengths) >= MIN_WORDS
    assert max(lengths) <= MAX_WORDS
    assert max(lengths) > 150  # the tail is there


def test_lengths_are_right_skewed_around_the_stated_median() -> None:
    lengths = TEXTS.draw(20_000, np.random.default_rng(0))
    assert abs(float(np.median(lengths)) - MEDIAN_WORDS) < 3
    assert lengths.mean() > np.median(lengths) + 5
    assert len(lengths) == 20_000


def test_another_law_gives_other_lengths() -> None:
    lengths = Lengths(median=3, sigma=0.6, low=1, high=14).draw(5000, np.random.default_rng(0))
    assert (lengths.min(), float(np.median(lengths)), lengths.max()) == (1, 3, 14)


def test_texts_read_like_sentences() -> None:
    for text in generate(20, seed=2):
        assert text[0].isupper()
        assert text.endswith(".")


def test_frequent_words_are_far_more_frequent_than_rare_ones() -> None:
    chances = frequencies(1000)
    assert chances.sum() == pytest.approx(1.0)
    assert chances[0] > 50 * chances[500]
    assert (np.diff(chances) < 0).all()


def test_vocabulary_has_no_word_twice_and_only_plain_words() -> None:
    found = words()
    assert len(set(found)) == len(found)
    assert all(word.isalpha() and word.islower() for word in found)


def test_cut_keeps_the_first_180_words() -> None:
    text = " ".join(str(number) for number in range(300))
    assert cut(text) == " ".join(str(number) for number in range(MAX_WORDS))


def test_cut_refuses_texts_that_are_too_short() -> None:
    assert cut("one two three four five") is None
    assert cut("one two three four five six") is not None


def test_histogram_counts_every_text_once() -> None:
    texts = generate(500, seed=5)
    counts = histogram(texts)
    assert sum(count for _, count in counts) == 500
    assert dict(histogram(["a b c d e f", "a " * 45]))["6-9"] == 1
    assert dict(histogram(["a b c d e f", "a " * 45]))["45-59"] == 1


def test_real_texts_are_read_and_cut_when_the_folder_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    polars = pytest.importorskip("polars")
    abstracts = ["word " * 400, "too short", None, "exactly six words are in here"]
    polars.DataFrame({"abstract": abstracts}).write_parquet(tmp_path / "arxiv_papers.parquet")
    works = {"title": ["A title"], "fandom": ["of some long series of books"]}
    polars.DataFrame(works).write_parquet(tmp_path / "fanworks.parquet")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    workload = make_workload(60, seed=1)
    assert set(workload.texts) == {
        " ".join(["word"] * MAX_WORDS),
        "exactly six words are in here",
        "A title of some long series of books",
    }
    assert workload.texts == make_workload(60, seed=1).texts
    assert DATA_VARIABLE in workload.source


def test_a_folder_without_texts_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("polars")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"arxiv_papers\.parquet"):
        make_workload(10, seed=1)
