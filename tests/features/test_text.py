import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bundle.bundle import Bundle
from features.pipeline import TOKENIZER_FILE
from features.rows import pad
from features.text import IDS, TextTokenizer


def tokenizer_of(bundle: Bundle, max_tokens: int) -> TextTokenizer:
    return TextTokenizer(bundle.root / TOKENIZER_FILE, max_tokens)


def test_long_texts_are_cut_and_said_to_be(tiny: Bundle) -> None:
    rows = tokenizer_of(tiny, 8).encode(["short", "of " * 50])
    assert [row.truncated for row in rows] == [False, True]
    assert len(rows[1]) == 8


def test_a_text_that_just_fits_is_not_truncated(tiny: Bundle) -> None:
    rows = tokenizer_of(tiny, 8).encode(["of " * 6, "of " * 7])
    assert [len(row) for row in rows] == [8, 8]
    assert [row.truncated for row in rows] == [False, True]


def test_cutting_by_characters_first_changes_nothing(tiny: Bundle) -> None:
    cutting, whole = tokenizer_of(tiny, 8), tokenizer_of(tiny, 8)
    whole.max_chars = 10**9
    texts = ["the box " * 1000, " " * 5000 + "rice", "x" * 10_000, "数据" * 5000, "rice" + "\n" * 4000 + "trays", ""]
    for short, full in zip(cutting.encode(texts), whole.encode(texts), strict=True):
        assert short.arrays[IDS].tolist() == full.arrays[IDS].tolist()
        assert short.truncated == full.truncated


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=20), min_size=1, max_size=10), st.integers(1, 16))
def test_padding_keeps_every_row_and_masks_the_rest(rows: list[list[int]], multiple: int) -> None:
    padded, masks = pad([np.array(row) for row in rows], 0, multiple)
    assert padded.shape == masks.shape
    assert padded.shape[1] % multiple == 0
    for row, values, mask in zip(rows, padded, masks, strict=True):
        assert values[mask].tolist() == row
        assert not values[~mask].any()
        assert np.array_equal(mask, np.sort(mask)[::-1])
