"""Bags that never change, as products of sparse matrices."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.fields import FieldBag
from models.sparse import FixedBags

ROWS, WIDTH = 12, 4
BAGS = st.lists(st.lists(st.integers(1, ROWS - 1), max_size=5), min_size=1, max_size=6)


def padded(bags: list[list[int]]) -> Tensor:
    return torch.tensor([[*bag, *[0] * (5 - len(bag))] for bag in bags])


def fixed(ids: Tensor) -> FixedBags:
    """Bags over the root of their size."""
    count = (ids > 0).sum(dim=1).clamp_min(1).sqrt()
    return FixedBags(ids.numpy(), ROWS, (1 / count).numpy().astype(np.float32))


@given(bags=BAGS)
def test_sums_and_gradients_are_those_of_looking_each_bag_up(bags: list[list[int]]) -> None:
    torch.manual_seed(0)
    ids, bag = padded(bags), FieldBag(ROWS, WIDTH, pooling="root", spread=1.0)
    looked_up, product = bag(ids), fixed(ids)(bag.table)
    torch.testing.assert_close(product, looked_up)
    wanted = torch.randn(looked_up.shape)
    (expected,) = torch.autograd.grad((looked_up * wanted).sum(), bag.weight)
    (found,) = torch.autograd.grad((product * wanted).sum(), bag.weight)
    torch.testing.assert_close(found, expected)


def test_an_id_that_a_bag_has_twice_counts_twice() -> None:
    table = torch.randn(ROWS, WIDTH)
    (summed,) = FixedBags(np.array([[3, 3, 5]]), ROWS, np.ones(1, np.float32))(table)
    torch.testing.assert_close(summed, 2 * table[3] + table[5])


def test_empty_bags_are_zero_and_padding_has_no_weight() -> None:
    table = torch.ones(ROWS, WIDTH)
    assert fixed(padded([[], []]))(table).abs().sum() == 0
    torch.testing.assert_close(fixed(padded([[], [7]]))(table), torch.tensor([[0.0] * WIDTH, [1.0] * WIDTH]))


def test_what_can_be_made_again_is_not_kept_in_checkpoints() -> None:
    assert fixed(padded([[1, 2]])).state_dict() == {}


def test_sums_are_those_of_full_precision_where_the_rest_is_computed_in_half() -> None:
    table, bags = torch.randn(ROWS, WIDTH), fixed(padded([[1, 2], [3]]))
    expected = bags(table)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(bags(table), expected, rtol=0, atol=0)
