"""Steps of a recommender: what is to be found is never in the history, and nothing but training items is in either."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from torch import Tensor

from training.steps_of_users import Sampler, UserBatch
from training.two_tower_config import NegativesConfig, ObjectiveConfig

USERS, ITEMS, FIRST = 9, 14, 2
"""`FIRST` is the row of the first item in the id tables."""
KINDS = ("all", "in_batch", "sampled")

matrices = st.lists(st.sets(st.integers(0, ITEMS - 1), max_size=10), min_size=USERS, max_size=USERS).filter(
    lambda rows: any(len(row) > 1 for row in rows)
)


def matrix(rows: list[set[int]]) -> csr_matrix:
    dense = np.zeros((len(rows), ITEMS), np.bool_)
    for user, items in enumerate(rows):
        dense[user, sorted(items)] = True
    return csr_matrix(dense)


def sampler_of(train: csr_matrix, longest: int = 512, **objective: Any) -> Sampler:
    return Sampler(train, np.arange(train.shape[1]) + FIRST, ObjectiveConfig.model_validate(objective), longest)


def drawn(sampler: Sampler, seed: int = 0, places: list[int] | None = None) -> UserBatch:
    chosen = np.arange(len(sampler.users)) if places is None else np.array(places)
    return sampler.draw(chosen, torch.Generator().manual_seed(seed))


def lists(sampler: Sampler, batch: UserBatch) -> list[tuple[set[int], set[int]]]:
    """Return the items of each user's history and of its positives."""
    candidates = batch["candidates"]
    rows = torch.arange(ITEMS + FIRST) if candidates is None else candidates
    histories = [{row - FIRST for row in history if row} for history in batch["history"].tolist()]
    targets = [{int(rows[at]) - FIRST for at in found if at >= 0} for found in batch["targets"].tolist()]
    return list(zip(histories, targets, strict=True))


@given(rows=matrices, kind=st.sampled_from(KINDS), seed=st.integers(0, 2**31), share=st.floats(0.05, 0.95))
def test_history_and_positives_are_a_user_s_training_items_and_have_none_in_common(
    rows: list[set[int]], kind: str, seed: int, share: float
) -> None:
    sampler = sampler_of(matrix(rows), target_share=share, negatives={"kind": kind, "count": 5})
    for user, (history, targets) in zip(sampler.users, lists(sampler, drawn(sampler, seed)), strict=True):
        assert history
        assert targets
        assert not history & targets
        assert history | targets == rows[user]


def test_users_of_one_item_are_not_drawn() -> None:
    assert sampler_of(matrix([{1}, {2, 3}, set(), {0, 1, 2}])).users.tolist() == [1, 3]


@given(seed=st.integers(0, 2**31))
def test_bounds_of_history_and_positives_hold(seed: int) -> None:
    sampler = sampler_of(matrix([set(range(ITEMS)), {1, 2}]), longest=4, target_share=0.9, targets=3)
    (history, targets), (other, single) = lists(sampler, drawn(sampler, seed))
    assert (len(history), len(targets), len(other), len(single)) == (4, 3, 1, 1)
    assert not history & targets


def test_each_item_is_a_positive_as_often_as_the_share_says() -> None:
    sampler = sampler_of(matrix([set(range(10))]), target_share=0.3)
    counts = np.zeros(ITEMS)
    for seed in range(600):
        counts[list(lists(sampler, drawn(sampler, seed))[0][1])] += 1
    np.testing.assert_allclose(counts[:10] / 600, 0.3, atol=0.08)
    assert counts[10:].sum() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_hangs_on_its_generator_alone_and_no_two_are_alike(kind: str) -> None:
    rows = [set(range(user, ITEMS)) for user in range(USERS)]
    sampler = sampler_of(matrix(rows), negatives={"kind": kind, "count": 5}, forget=0.5)
    first, again, other = drawn(sampler, 1), drawn(sampler, 1), drawn(sampler, 2)
    for name, value in first.items():
        assert value is None or torch.equal(cast(Tensor, value), cast(dict[str, Tensor], again)[name])
    assert not torch.equal(first["targets"], other["targets"])


def test_positives_of_the_batch_compete_with_each_other() -> None:
    rows = [set(range(user, user + 5)) for user in range(USERS)]
    sampler = sampler_of(matrix(rows), negatives={"kind": "in_batch"})
    batch = drawn(sampler)
    candidates, log_q, hidden = batch["candidates"], batch["log_q"], batch["hidden"]
    assert candidates is not None
    assert log_q is not None
    assert hidden is not None
    divided = lists(sampler, batch)
    positives = sorted({item for _, targets in divided for item in targets})
    assert (candidates - FIRST).tolist() == positives
    count, met = sum(len(targets) for _, targets in divided), matrix(rows).sum(axis=0).A1
    np.testing.assert_allclose(log_q.exp(), (count * met / met.sum())[positives], rtol=1e-5)
    expected = [[item in rows[user] for item in positives] for user in sampler.users]
    assert hidden.tolist() == expected


def test_further_items_are_drawn_by_their_popularity_to_a_power() -> None:
    rows = [{0, 1, 2}, *({0, 1} for _ in range(7)), {0, 3}]
    negatives = NegativesConfig(kind="sampled", count=4, alpha=0.5)
    sampler = sampler_of(matrix(rows), negatives=negatives)
    met = matrix(rows).sum(axis=0).A1
    weights = np.sqrt(met) / np.sqrt(met).sum()
    seen = np.zeros(ITEMS)
    for seed in range(300):
        batch = drawn(sampler, seed, places=[8])  # whose only positive is 0 or 3
        assert batch["candidates"] is not None
        assert batch["log_q"] is not None
        found = batch["candidates"].numpy() - FIRST
        np.testing.assert_allclose(batch["log_q"].exp(), (met / met.sum() + 4 * weights)[found], rtol=1e-5)
        seen[found] += 1
    np.testing.assert_allclose(seen[[1, 2]] / 300, 1 - (1 - weights[[1, 2]]) ** 4, atol=0.1)
    assert seen[4:].sum() == 0  # nobody has met them in training


def test_a_user_of_many_positives_counts_by_their_number_to_a_power() -> None:
    sampler = sampler_of(matrix([set(range(12)), {1, 2}]), target_share=0.5, heavy_users=0.5)
    batch = drawn(sampler)
    count = (batch["targets"] >= 0).sum(dim=1)
    totals = count * batch["weights"][:, 0]
    torch.testing.assert_close(totals, count.sqrt())
    even = drawn(sampler_of(matrix([set(range(12)), {1, 2}]), target_share=0.5, heavy_users=1.0))
    assert even["weights"].tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize("kind", KINDS)
def test_candidates_are_forgotten_as_often_as_is_asked_for(kind: str) -> None:
    rows = [set(range(ITEMS)) for _ in range(USERS)]
    sampler = sampler_of(matrix(rows), forget=0.25, negatives={"kind": kind, "count": 50})
    forgotten = [drawn(sampler, seed)["forgotten"] for seed in range(200)]
    assert np.mean([part.double().mean() for part in forgotten if part is not None]) == pytest.approx(0.25, abs=0.03)
    assert drawn(sampler_of(matrix(rows), negatives={"kind": kind}))["forgotten"] is None


def test_histories_are_forgotten_as_often_as_is_asked_for_and_positives_are_not() -> None:
    sampler = sampler_of(matrix([set(range(8)) for _ in range(USERS)]), forget_history=0.25)
    divided = [one for seed in range(100) for one in lists(sampler, drawn(sampler, seed))]
    assert np.mean([not history for history, _ in divided]) == pytest.approx(0.25, abs=0.05)
    assert all(targets for _, targets in divided)
