import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from features import vocabulary as module
from features.vocabulary import Vocabulary, hashed

SHELVES = [["sf", "war", "sf"], ["sf", "war", "love"], ["love", "sf", "rare"], []]


def test_frequent_values_come_first_and_equals_by_name() -> None:
    vocabulary = Vocabulary.fit(SHELVES, oov=3)
    assert vocabulary.known == ("sf", "love", "war", "rare")
    assert vocabulary.rows_of(["sf", "love", "war", "rare"]).tolist() == [4, 5, 6, 7]
    assert vocabulary.rows == 8


def test_rare_values_stay_unknown_so_that_unknown_rows_are_trained() -> None:
    vocabulary = Vocabulary.fit(SHELVES, oov=2, min_count=2)
    assert vocabulary.is_known("war")
    assert not vocabulary.is_known("rare")
    assert vocabulary.rows_of(["rare"])[0] in (1, 2)


def test_a_table_has_no_more_rows_than_it_may() -> None:
    vocabulary = Vocabulary.fit(SHELVES, oov=2, max_rows=5)
    assert vocabulary.known == ("sf", "love")
    assert vocabulary.rows == 5
    with pytest.raises(ValueError, match="set it above 3"):
        Vocabulary.fit(SHELVES, oov=2, max_rows=3)


def test_hashes_are_the_same_on_every_machine_and_in_every_version() -> None:
    """A trained table is worthless when its rows move: these numbers may never change."""
    assert [hashed(value) for value in ("", "emma", "Ω", "\ud800")] == PINNED
    assert Vocabulary(oov=1000).rows_of(["", "emma", "Ω"]).tolist() == [1 + pinned % 1000 for pinned in PINNED[:3]]


PINNED = [17239258723222333940, 2449853373067621035, 12250038976834524909, 13268109179750863443]


@given(st.lists(st.text(max_size=5)), st.lists(st.text(st.characters(codec=None), max_size=100)), st.integers(1, 9))
def test_any_string_has_a_row_that_is_not_padding(known: list[str], asked: list[str], oov: int) -> None:
    vocabulary = Vocabulary.fit([known], oov)
    rows = vocabulary.rows_of(asked + known)
    assert rows.dtype == np.int64
    assert rows.shape == (len(asked) + len(known),)
    assert all(1 <= row < vocabulary.rows for row in rows)
    own = {value: row for value, row in zip(asked + known, rows.tolist(), strict=True) if row > oov}
    assert set(own) == set(known) & {*asked, *known}
    assert len(set(own.values())) == len(own)


@given(st.lists(st.text(max_size=80), min_size=1))
def test_values_have_the_same_rows_together_alone_and_again(values: list[str]) -> None:
    vocabulary = Vocabulary.fit([values[::2]], 7)
    together = vocabulary.rows_of(values).tolist()
    assert together == [vocabulary.rows_of([value])[0] for value in values]
    assert together == Vocabulary.model_validate_json(vocabulary.model_dump_json()).rows_of(values).tolist()


def test_unknown_values_spread_over_their_rows() -> None:
    rows = Vocabulary(oov=16).rows_of([f"value {number}" for number in range(16_000)])
    counts = np.bincount(rows, minlength=17)
    assert counts[0] == 0
    assert counts[1:].min() > 850
    assert counts.max() < 1150


def test_what_is_remembered_of_the_unknown_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    vocabulary = Vocabulary(known=("emma",), oov=5)
    rows = vocabulary.rows_of(["a", "b", "c", "d" * 100])
    assert len(vocabulary._places) == 3
    assert rows.tolist() == vocabulary.rows_of(["a", "b", "c", "d" * 100]).tolist()


def test_what_has_been_asked_for_is_no_part_of_the_vocabulary() -> None:
    asked, fresh = Vocabulary(known=("emma",), oov=5), Vocabulary(known=("emma",), oov=5)
    asked.rows_of(["persuasion"])
    assert asked == fresh
    assert Vocabulary.model_validate(asked) == asked
    assert not asked.is_known("persuasion")


def test_no_value_has_two_rows() -> None:
    with pytest.raises(ValidationError, match="twice"):
        Vocabulary(known=("emma", "emma"))
    with pytest.raises(ValidationError, match="oov"):
        Vocabulary(oov=0)
