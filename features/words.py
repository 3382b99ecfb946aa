"""Strings -> the tokens that fields are made of: normalised values, words, and n-grams of words and characters."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

WORD = re.compile(r"[^\W_]+")
REMEMBERED = 1 << 16
"""Words and values whose forms are kept; some 10 MB."""
LONGEST = 64
"""Characters of a string that is worth remembering."""


def normalise(value: str) -> str:
    """Return a value in the one form that all its spellings share: NFKC, casefolded, with "_" for white space."""
    return _normalise_short(value) if len(value) <= LONGEST else _normalise(value)


def words_of(text: str) -> list[str]:
    """Return the casefolded words of a text.

    What is no letter or digit separates words, and so does a capital within one: "JonSnow/Sansa" is three words.
    """
    return [part for word in WORD.findall(unicodedata.normalize("NFKC", text)) for part in _parts(word)]


def ngrams_of(text: str, orders: Sequence[int], characters: Sequence[int]) -> list[str]:
    """Return the n-grams of a text's words, then those of the characters within words.

    `orders` are lengths in words, `characters` lengths in characters; a word's ends count as one character each. A
    hash tells the second kind from the first, for no word has one in it.
    """
    words = words_of(text)
    found: list[str] = []
    for order in orders:
        found += words if order == 1 else map(" ".join, zip(*(words[at:] for at in range(order)), strict=False))
    for word in words if characters else ():
        found += _characters_of(f" {word} ", characters)
    return found


def _characters_of(word: str, orders: Sequence[int]) -> Iterator[str]:
    return (f"#{word[at : at + order]}" for order in orders for at in range(len(word) - order + 1))


def _normalise(value: str) -> str:
    return "_".join(unicodedata.normalize("NFKC", value).casefold().split())


_normalise_short = lru_cache(REMEMBERED)(_normalise)


def _parts(word: str) -> tuple[str, ...]:
    return _parts_short(word) if len(word) <= LONGEST else _divided(word)


def _divided(word: str) -> tuple[str, ...]:
    """Return the casefolded parts of a word in CamelCase; an acronym is one part: "HTMLPage" is html and page."""
    if word.islower() or word.isupper() or word.istitle():
        return (word.casefold(),)
    upper = [letter.isupper() for letter in word]
    cuts = [
        at
        for at in range(1, len(word))
        if upper[at] and (not upper[at - 1] or (at + 1 < len(word) and word[at + 1].islower()))
    ]
    return tuple(word[a:b].casefold() for a, b in zip([0, *cuts], [*cuts, len(word)], strict=True))


_parts_short = lru_cache(REMEMBERED)(_divided)
