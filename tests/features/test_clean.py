import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from features.clean import INVISIBLE, Cleaning

POLICIES = [Cleaning(), Cleaning(markup=False), Cleaning(latex="simplify"), Cleaning(latex="drop")]

ANY_TEXT = st.text(st.characters())  # lone surrogates too, as a JSON string may hold them
TOKENS = """
& &amp; amp; &lt;b&gt; &#38; #38; &#60; lt; < > <b> </b> <br/> <p b = $ $$ \\ \\( \\) \\alpha \\'e \\'{e} \\"o \\$ { }
5 x \\textbf{x} \\cite{a} \\c{c} \\c ~ ^ _ é e\u0301 \u0338 \u200b \ud800 \x00 \u037e
"""
PIECES = st.sampled_from([*TOKENS.split(), " ", "\n"])
MARKED_UP = st.lists(PIECES, max_size=24).map("".join)


@pytest.mark.parametrize("cleaning", POLICIES, ids=str)
@given(text=ANY_TEXT | MARKED_UP)
@example(text="&amp;" * 50 + "lt;")
@example(text="&#3" * 20 + "8;" * 20)
@example(text="<b" * 20 + ">" * 20)
@example(text="<\u0338b>")
@example(text="&amp" * 9 + "\x00;lt;b>")
def test_cleaning_twice_is_cleaning_once(cleaning: Cleaning, text: str) -> None:
    once = cleaning.clean(text)
    assert cleaning.clean(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert INVISIBLE.search(once) is None
    assert once == " ".join(once.split())
    once.encode()


@given(st.lists(st.text("abcXYZ019.,;:!?()-'éßЖ漢", min_size=1), max_size=20).map(" ".join))
def test_plain_text_is_left_alone(text: str) -> None:
    assert all(cleaning.clean(text) == text for cleaning in POLICIES)


@given(st.lists(st.sampled_from(["&amp;", "&lt;", "&quot;", "&#39;", "<b>", "</p>", "<br />", '<a href="x">', "word"])))
def test_no_entity_and_no_tag_is_left(pieces: list[str]) -> None:
    cleaned = Cleaning().clean(" ".join(pieces))
    assert not any(piece in cleaned for piece in pieces if piece != "word")
    assert cleaned.count("word") == pieces.count("word")


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Tom &amp; Jerry&#39;s", "Tom & Jerry's"),
        ("&amp;amp;lt;i&gt;", ""),
        ("H<sub>2</sub>O, one<br>two", "H2O, one two"),
        ("if a<b and c>d", "if a<b and c>d"),
        ("the <eos> token, <think>", "the <eos> token, <think>"),
        ("soft\xadware\u200b", "software"),
        ("cafe\u0301", "café"),
        (" a \t\r\n\x00 b\u00a0c ", "a b c"),
        ("costs $5 and \\alpha", "costs $5 and \\alpha"),
    ],
)
def test_what_cleaning_does(raw: str, clean: str) -> None:
    assert Cleaning().clean(raw) == clean


def test_markup_is_kept_on_request() -> None:
    assert Cleaning(markup=False).clean("a &amp; <b>b</b>") == "a &amp; <b>b</b>"


UNITS = [
    "&amp",
    "<b",
    "<b ",
    "&#3&#38;",
    "\\(",
    "$a",
    "\\'{",
    "{",
    "\\cite{",
    "\\cite[",
    "<!--",
    "\\href{",
    "\\c ",
    "\\",
]
HEADS = ["\\'", "\\c", "<b", "<b a", "\\cite", "\\cite*", "\\href", "\\emph", "$", "&"]
HOSTILE = [unit * (10**5 // len(unit)) for unit in UNITS] + [head + " " * 10**5 for head in HEADS]


@pytest.mark.parametrize("hostile", HOSTILE, ids=map(repr, UNITS + HEADS))
def test_hostile_texts_take_time_in_proportion_to_their_length(hostile: str) -> None:
    start = time.perf_counter()
    Cleaning(latex="drop").clean(hostile + "x" + hostile)
    assert time.perf_counter() - start < 5
