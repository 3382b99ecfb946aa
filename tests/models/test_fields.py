"""Bags of ids."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.fields import FieldBag, Pooling

BAGS = st.lists(st.lists(st.integers(1, 19), max_size=6), min_size=1, max_size=5)


def padded(bags: list[list[int]], width: int = 6) -> Tensor:
    return torch.tensor([[*bag, *[0] * (width - len(bag))] for bag in bags])


def by_hand(bag: FieldBag, ids: list[int]) -> Tensor:
    table = bag.weight.detach()
    rows = [table[at] * min(1.0, (bag.max_norm or 1e9) / float(table[at].norm())) for at in ids]
    total: Tensor = torch.stack(rows).sum(dim=0) if rows else torch.zeros(bag.width)
    count = max(len(ids), 1)
    return total / {"sum": 1.0, "mean": float(count), "root": math.sqrt(count)}[bag.pooling]


@settings(deadline=None)
@given(bags=BAGS, pooling=st.sampled_from(["sum", "mean", "root"]), bounded=st.booleans())
def test_a_bag_is_the_sum_of_its_rows(bags: list[list[int]], pooling: Pooling, bounded: bool) -> None:
    torch.manual_seed(0)
    bag = FieldBag(20, 4, pooling=pooling, max_norm=0.7 if bounded else None, spread=1.0).eval()
    expected = torch.stack([by_hand(bag, ids) for ids in bags])
    torch.testing.assert_close(bag(padded(bags)), expected, atol=1e-5, rtol=1e-5)


@settings(deadline=None)
@given(bags=BAGS)
def test_a_bag_does_not_depend_on_its_neighbours_or_its_padding(bags: list[list[int]]) -> None:
    torch.manual_seed(0)
    bag = FieldBag(20, 4).eval()
    together = bag(padded(bags, 9))
    alone = torch.cat([bag(padded([ids], max(len(ids), 1))) for ids in bags])
    torch.testing.assert_close(together, alone)


def test_an_empty_bag_is_the_zero_vector() -> None:
    for pooling in ("sum", "mean", "root"):
        assert FieldBag(5, 3, pooling=pooling)(torch.zeros(2, 1, dtype=torch.int64)).abs().sum() == 0


def test_rows_are_bounded_while_they_are_learnt_and_none_of_them_is_touched_by_a_forward_pass() -> None:
    bag = FieldBag(20, 4, max_norm=1.0, spread=3.0)
    before = bag.weight.detach().clone()
    assert bag(torch.arange(1, 20)[:, None]).norm(dim=1).max() <= 1 + 1e-5
    assert torch.equal(bag.weight, before)


def test_baking_shortens_every_row_also_those_never_looked_up_and_changes_no_vector() -> None:
    torch.manual_seed(0)
    bag = FieldBag(50, 4, max_norm=1.0, spread=3.0).eval()
    ids = torch.randint(0, 50, (8, 5))
    before = bag(ids)
    assert bag.weight.norm(dim=1).max() > 1
    bag.bake()
    assert bag.max_norm is None
    assert bag.weight.norm(dim=1).max() <= 1 + 1e-6
    torch.testing.assert_close(bag(ids), before)


def test_gradients_are_sparse_and_padding_gets_none() -> None:
    bag = FieldBag(20, 4, sparse=True)
    bag(torch.tensor([[3, 0], [5, 5]])).sum().backward()
    gradient = bag.weight.grad
    assert gradient is not None
    assert gradient.is_sparse
    dense = gradient.to_dense()
    assert dense[0].abs().sum() == 0
    assert sorted(torch.unique(dense.nonzero()[:, 0]).tolist()) == [3, 5]


def test_dropout_leaves_ids_out_in_training_only() -> None:
    torch.manual_seed(0)
    bag = FieldBag(20, 4, dropout=0.5)
    ids = torch.randint(1, 20, (64, 8))
    assert not torch.equal(bag(ids), bag(ids))
    bag.eval()
    assert torch.equal(bag(ids), bag(ids))


@pytest.mark.parametrize("pooling", ["mean", "root"])
def test_dropout_does_not_change_what_a_bag_is_divided_by(pooling: Pooling) -> None:
    torch.manual_seed(0)
    bag = FieldBag(2, 1, pooling=pooling, dropout=0.5, spread=1.0)
    ids = torch.ones(4000, 4, dtype=torch.int64)
    kept = bag(ids).mean()
    bag.eval()
    torch.testing.assert_close(kept, bag(ids).mean(), rtol=0.05, atol=0)


@given(bags=BAGS, pooling=st.sampled_from(["sum", "mean", "root"]), bounded=st.booleans())
def test_rows_may_count_differently(bags: list[list[int]], pooling: Pooling, bounded: bool) -> None:
    torch.manual_seed(0)
    counts = torch.rand(20) + 0.1
    bag = FieldBag(20, 4, pooling=pooling, max_norm=0.7 if bounded else None, spread=1.0, counts=counts).eval()
    for ids, found in zip(bags, bag(padded(bags, 9)), strict=True):
        weights = counts[ids]
        total = {"sum": 1.0, "mean": float(weights.sum()), "root": float(weights.norm())}[pooling]
        expected = weights @ bag.table.detach()[ids] / total if ids else torch.zeros(4)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_what_rows_count_is_kept_with_the_weights_and_not_learnt() -> None:
    bag = FieldBag(20, 4, counts=torch.rand(20))
    assert [name for name, _ in bag.named_parameters()] == ["weight"]
    assert set(bag.state_dict()) == {"weight", "counts"}
    assert set(FieldBag(20, 4).state_dict()) == {"weight"}


@pytest.mark.parametrize("counts", [None, torch.linspace(0, 1, 20)])
def test_a_bound_is_learnt_through_as_by_a_table_of_shortened_rows(counts: Tensor | None) -> None:
    torch.manual_seed(0)
    bag = FieldBag(20, 4, max_norm=1.0, spread=1.0, counts=counts)
    ids = torch.randint(0, 20, (8, 5))
    wanted = torch.randn(8, 4)
    (bag(ids) * wanted).sum().backward()
    found = bag.weight.grad
    bag.weight.grad = None
    weights = (ids > 0).float() if counts is None else counts[ids] * (ids > 0)
    looked_up = torch.einsum("bl,blw->bw", weights, bag.table[ids])
    torch.autograd.backward((looked_up * wanted).sum())
    torch.testing.assert_close(found, bag.weight.grad)
