import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.ngrams import IDS, WEIGHTS, NgramConfig, NgramFeatures
from features.rows import FeatureRow

WIDE = NgramConfig(bits=24, words=(1, 2), characters=(3, 4), count="raw")
TEXTS = [
    "",
    "a",
    "Rice and rice, and trays",
    "été naïve café",
    "数据 和 文字",
    "$x^2$ in \\alpha",
    "İstanbul ß ﬁ",
    "a_b c",
]


def spelt_out(text: str, config: NgramConfig) -> Counter[tuple[object, ...]]:
    """Count n-grams as a person would, without hashing."""
    words = re.findall(r"[^\W_]+", text.lower())
    found: Counter[tuple[object, ...]] = Counter()
    for order in config.words:
        found.update(tuple(words[at : at + order]) for at in range(len(words) - order + 1))
    for word in words:
        for order in config.characters:
            found.update((order, f" {word} "[at : at + order]) for at in range(len(word) + 3 - order))
    return found


def row_of(text: str, config: NgramConfig = WIDE) -> FeatureRow:
    return NgramFeatures(config).encode([text])[0]


def bag_of(row: FeatureRow) -> dict[int, float]:
    return dict(zip(row.arrays[IDS].tolist(), row.arrays[WEIGHTS].tolist(), strict=True))


@given(st.text(max_size=60))
def test_every_ngram_is_counted_once_for_each_time_it_occurs(text: str) -> None:
    wanted = spelt_out(text, WIDE)
    row = row_of(text)
    assert row.arrays[WEIGHTS].sum() == wanted.total()
    # Two of a few dozen n-grams share one of 16.7 million buckets once in some ten thousand texts.
    assert len(wanted) - 1 <= len(row) <= max(len(wanted), 1)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=8))
def test_a_text_s_bag_does_not_depend_on_the_texts_beside_it(texts: list[str]) -> None:
    together = NgramFeatures(WIDE).encode(texts)
    for text, row in zip(texts, together, strict=True):
        assert bag_of(row) == bag_of(row_of(text))


@given(st.lists(st.text(alphabet="ab ", max_size=9), max_size=12))
def test_texts_that_fill_several_blocks_are_hashed_like_one_by_one(texts: list[str]) -> None:
    config = WIDE.model_copy(update={"max_chars": 9})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("features.ngrams.BLOCK", 29)  # three texts of nine characters at most
        together = NgramFeatures(config).encode(texts)
    assert [bag_of(row) for row in together] == [bag_of(row_of(text, config)) for text in texts]


@given(st.text(alphabet="abc d", max_size=30), st.text(alphabet="abc d", max_size=30))
def test_a_word_hashes_alike_wherever_it_stands(before: str, after: str) -> None:
    words = NgramConfig(bits=24, words=(1,))
    [token] = bag_of(row_of("lacquer", words))
    assert token in bag_of(row_of(f"{before} lacquer {after}", words))


def test_hashes_are_the_same_on_every_machine_and_in_every_version() -> None:
    """A trained table is worthless when its rows move: these numbers may never change."""
    row = row_of("Three trays of rice", NgramConfig(bits=18, words=(1, 2), characters=(3,)))
    assert row.arrays[IDS][:8].tolist() == PINNED
    assert len(row) == 23


PINNED = [12450, 28687, 30347, 42369, 43657, 64983, 81172, 84788]


def test_case_and_punctuation_do_not_matter_but_order_does() -> None:
    assert bag_of(row_of("Rice, TRAYS!")) == bag_of(row_of("rice trays"))
    assert bag_of(row_of("trays rice")) != bag_of(row_of("rice trays"))


def test_an_empty_text_has_one_ngram_that_weighs_nothing() -> None:
    for text in ("", " ", "?!", "\x00"):
        assert bag_of(row_of(text)) == {0: 0.0}


@pytest.mark.parametrize(("count", "weight"), [("raw", 3.0), ("one", 1.0), ("log", 1.0 + np.log(3.0))])
def test_repetition_weighs_as_configured(count: str, weight: float) -> None:
    config = NgramConfig.model_validate({"words": [1], "count": count})
    assert list(bag_of(row_of("rice rice rice", config)).values()) == [pytest.approx(weight)]


def test_a_long_text_is_cut_and_said_to_be() -> None:
    config = NgramConfig(words=(1,), max_chars=9)
    assert bag_of(row_of("rice trays of lacquer", config)) == bag_of(row_of("rice tray", config))
    assert [row.truncated for row in NgramFeatures(config).encode(["rice tray", "rice trays"])] == [False, True]


def test_lower_casing_that_lengthens_a_text_is_no_trouble() -> None:
    assert len(row_of("İ" * 20_000)) > 0


@given(st.lists(st.text(max_size=40), min_size=1, max_size=6), st.integers(1, 16))
def test_padding_weighs_nothing(texts: list[str], multiple: int) -> None:
    features = NgramFeatures(WIDE)
    rows = features.encode(texts)
    feed = features.collate(rows, multiple)
    assert feed.inputs[IDS].shape == feed.inputs[WEIGHTS].shape
    assert feed.padded_tokens == feed.inputs[IDS].size
    for row, ids, weights in zip(rows, feed.inputs[IDS], feed.inputs[WEIGHTS], strict=True):
        assert dict(zip(ids[: len(row)].tolist(), weights[: len(row)].tolist(), strict=True)) == bag_of(row)
        assert not weights[len(row) :].any()
