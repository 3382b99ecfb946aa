"""Which works go together."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.candidates import CoOccurrence

TAGS = st.lists(st.sampled_from("abcde"), max_size=4)
WORKS = st.lists(st.tuples(TAGS, TAGS, TAGS), min_size=1, max_size=8)

SHIPS = [["a/b"], ["A/B", "c/d"], ["c/d"], [], ["e/f"]]


def cosine(one: set[str], other: set[str]) -> float:
    return len(one & other) / np.sqrt(len(one) * len(other)) if one and other else 0.0


@given(works=WORKS)
def test_relevance_is_the_sum_of_what_two_works_have_in_common(works: list[tuple[list[str], ...]]) -> None:
    lists = {kind: [list(work[at]) for work in works] for at, kind in enumerate(("relationship", "fandom", "readers"))}
    found = CoOccurrence.of(lists, {"relationship": 1.0, "fandom": 0.3}, {"readers": 0.5})
    rows = np.arange(len(works))
    graded = found.between(rows, rows[::-1])
    for a in rows:
        for place, b in enumerate(rows[::-1]):
            (ships, fandoms, readers), (others, worlds, people) = ([set(part) for part in works[at]] for at in (a, b))
            expected = bool(ships & others) + 0.3 * bool(fandoms & worlds) + 0.5 * cosine(readers, people)
            assert graded[a, place] == pytest.approx(0 if a == b else expected, abs=1e-6)


def test_related_works_have_a_value_in_common_and_whoever_is_alone_draws_itself() -> None:
    found = CoOccurrence.of({"relationship": SHIPS}, {"relationship": 1.0}, {})
    drawn = found.related(np.arange(5), 400, torch.Generator().manual_seed(0)).reshape(5, 400)
    assert [set(row.tolist()) for row in drawn] == [{0, 1}, {0, 1, 2}, {1, 2}, {3}, {4}]
    counts = Counter(drawn[1].tolist())
    assert abs(counts[1] - 200) < 50  # itself in both of its ships, the others in one each
    again = found.related(np.arange(5), 400, torch.Generator().manual_seed(0))
    assert np.array_equal(again, drawn.ravel())


def test_works_without_any_value_draw_themselves() -> None:
    found = CoOccurrence.of({"relationship": [[], []]}, {"relationship": 1.0}, {})
    assert found.related(np.array([1, 0]), 2, torch.Generator()).tolist() == [1, 1, 0, 0]
    assert not found.between(np.arange(2), np.arange(2)).any()


def test_without_a_kind_to_share_nothing_can_be_drawn() -> None:
    found = CoOccurrence.of({"readers": [["x"], ["x"]]}, {}, {"readers": 1.0})
    assert found.between(np.arange(2), np.arange(2)).tolist() == [[0, 1], [1, 0]]
    with pytest.raises(ValueError, match="nothing that related works have in common"):
        found.related(np.arange(2), 1, torch.Generator())
