import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.words import LONGEST, ngrams_of, normalise, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jon Snow/Sansa Stark", ["jon", "snow", "sansa", "stark"]),
        ("JonSnow_lives", ["jon", "snow", "lives"]),
        ("HTMLPage", ["html", "page"]),
        ("iPhone McDonald USA R2D2", ["i", "phone", "mc", "donald", "usa", "r2d2"]),
        ("ÉmileZola ЛевТолстой", ["émile", "zola", "лев", "толстой"]),
        ("Straße ＨＩ ﬁn", ["strasse", "hi", "fin"]),
        ("don't stop-me 1984", ["don", "t", "stop", "me", "1984"]),
        ("", []),
        ("!? _", []),
    ],
)
def test_words_are_divided_and_folded(text: str, expected: list[str]) -> None:
    assert words_of(text) == expected


def test_ngrams_are_words_then_pairs_then_characters_within_words() -> None:
    assert ngrams_of("Red, Sea", (1, 2), ()) == ["red", "sea", "red sea"]
    assert ngrams_of("Red Sea", (2, 1), (3, 4)) == [
        *("red sea", "red", "sea"),
        *("# re", "#red", "#ed ", "# red", "#red "),
        *("# se", "#sea", "#ea ", "# sea", "#sea "),
    ]
    assert ngrams_of("Red", (2,), (9,)) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  Young\t Adult ", "young_adult"),
        ("young_adult", "young_adult"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("Ⅳ", "iv"),
        ("   ", ""),
        ("F/M", "f/m"),
    ],
)
def test_a_value_has_one_form(value: str, expected: str) -> None:
    assert normalise(value) == expected


@given(st.text(st.characters(codec=None), max_size=3 * LONGEST))
def test_any_text_has_words_without_blanks_or_marks(text: str) -> None:
    words = words_of(text)
    assert all(word and "#" not in word and not word.isspace() for word in words)
    assert words_of(" ".join((text, "/", text))) == words * 2
    assert not any(letter.isspace() for letter in normalise(text))


@given(st.text(max_size=40), st.lists(st.integers(1, 4), max_size=3), st.lists(st.integers(1, 6), max_size=3))
def test_there_are_as_many_ngrams_as_places_for_them(text: str, orders: list[int], characters: list[int]) -> None:
    words = words_of(text)
    expected = sum(max(len(words) - order + 1, 0) for order in orders)
    expected += sum(max(len(word) + 2 - order + 1, 0) for word in words for order in characters)
    assert len(ngrams_of(text, orders, characters)) == expected
