from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from serving.batching import SPARED_DEAD, Budget, WaitingRoom, bucket_of


@dataclass(eq=False)
class Length:
    tokens: int
    sequence: int
    dead: bool = False


def room_of(lengths: list[int], budget: Budget) -> WaitingRoom[Length]:
    room: WaitingRoom[Length] = WaitingRoom(budget)
    for sequence, tokens in enumerate(lengths):
        room.add(Length(tokens, sequence))
    return room


def cut_all(room: WaitingRoom[Length]) -> list[list[Length]]:
    batches = []
    while batch := room.cut():
        batches.append(batch)
    return batches


def padded(batch: list[Length]) -> int:
    return len(batch) * max(row.tokens for row in batch)


lengths = st.lists(st.integers(1, 600), min_size=1, max_size=200)
budgets = st.builds(Budget, st.integers(1, 4000), st.integers(1, 64), st.floats(1.0, 2.0))


@given(lengths, budgets)
def test_every_row_leaves_exactly_once(lengths: list[int], budget: Budget) -> None:
    batches = cut_all(room_of(lengths, budget))
    assert sorted(row.sequence for batch in batches for row in batch) == list(range(len(lengths)))


@given(lengths, budgets)
def test_every_batch_keeps_to_its_bounds(lengths: list[int], budget: Budget) -> None:
    for batch in cut_all(room_of(lengths, budget)):
        assert len(batch) <= budget.rows
        assert padded(batch) <= budget.padding_ratio * sum(row.tokens for row in batch) + 1e-9
        assert padded(batch) <= budget.tokens or len(batch) == 1


@given(lengths, budgets)
def test_the_oldest_row_is_in_the_next_batch(lengths: list[int], budget: Budget) -> None:
    room = room_of(lengths, budget)
    waiting = set(range(len(lengths)))
    while batch := room.cut():
        taken = {row.sequence for row in batch}
        assert min(waiting) in taken
        waiting -= taken


def test_rows_of_like_length_go_together() -> None:
    room = room_of([100, 10, 104, 11, 98, 9], Budget(1000, 8, 1.1))
    assert sorted(row.tokens for row in room.cut()) == [98, 100, 104]
    assert sorted(row.tokens for row in room.cut()) == [9, 10, 11]


def test_a_row_longer_than_the_budget_goes_alone() -> None:
    room = room_of([500, 500], Budget(256, 8, 1.1))
    assert [row.tokens for row in room.cut()] == [500]


def test_dead_rows_never_leave() -> None:
    room: WaitingRoom[Length] = WaitingRoom(Budget(1000, 8, 1.1))
    for sequence in range(6):
        room.add(Length(50, sequence, dead=sequence % 2 == 0))
    assert [row.sequence for row in room.cut()] == [1, 3, 5]
    assert room.cut() == []
    assert len(room) == 0


def test_the_dead_do_not_pile_up_while_nothing_is_cut() -> None:
    room: WaitingRoom[Length] = WaitingRoom(Budget(tokens=1000, rows=100, padding_ratio=2.0))
    alive = [Length(tokens, sequence=tokens) for tokens in range(1, 11)]
    for row in alive:
        room.add(row)
    for sequence in range(100, 10_000):
        dying = Length(5, sequence)
        room.add(dying)
        dying.dead = True
        room.note_dead(1)
        assert len(room) <= 10 * len(alive) + 2 * SPARED_DEAD
    assert sorted(row.tokens for batch in cut_all(room) for row in batch) == list(range(1, 11))


def test_lengths_of_one_bucket_differ_by_less_than_a_tenth() -> None:
    buckets: dict[int, list[int]] = {}
    for tokens in range(1, 2000):
        buckets.setdefault(bucket_of(tokens), []).append(tokens)
    assert all(max(bucket) / min(bucket) < 1.1 for bucket in buckets.values())
