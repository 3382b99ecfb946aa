"""The encoder of fan works."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.works import WorkEncoder

ROWS = {"words": 20, "freeform": 10}
WORKS = st.lists(
    st.tuples(st.lists(st.integers(1, 19), max_size=6), st.lists(st.integers(1, 9), max_size=3)), min_size=1, max_size=6
)


def encoder(*, dense: int = 0, interactions: bool = True, hidden: tuple[int, ...] = (16,)) -> WorkEncoder:
    torch.manual_seed(0)
    counts = {"words": torch.linspace(0, 1, 20)}
    made = WorkEncoder(ROWS, 8, counts=counts, dense=dense, interactions=interactions, hidden=hidden).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.3 * torch.randn_like(weight))  # as after some training: nothing is zero
    return made


def padded(bags: list[list[int]], width: int) -> Tensor:
    return torch.tensor([[*bag, *[0] * (width - len(bag))] for bag in bags])


def bags(works: list[tuple[list[int], list[int]]], widths: tuple[int, int] = (8, 5)) -> list[Tensor]:
    return [padded([list(work[at]) for work in works], widths[at]) for at in (0, 1)]


@given(works=WORKS)
def test_a_vector_has_unit_length_and_does_not_depend_on_its_batch(works: list[tuple[list[int], list[int]]]) -> None:
    model = encoder()
    together = model(*bags(works))
    torch.testing.assert_close(together.norm(dim=1), torch.ones(len(works)))
    alone = torch.cat([model(*bags([work], (max(len(work[0]), 1), max(len(work[1]), 1)))) for work in works])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_baking_bounds_every_row_for_good_and_changes_no_vector() -> None:
    model = encoder()
    with torch.no_grad():
        for bag in model.bags.values():
            bag.weight.mul_(5)  # type: ignore[operator]
    features = bags([([1, 2, 3], [4]), ([], []), ([7, 7], [1])])
    before = model(*features)
    tables = [weight for name, weight in model.named_parameters() if name.startswith("bags.")]
    assert all(table.norm(dim=1).max() > 1 for table in tables)
    model.bake()
    assert all(table.norm(dim=1).max() <= 1 + 1e-6 for table in tables)
    torch.testing.assert_close(model(*features), before)


@pytest.mark.parametrize("linear", [True, False])
def test_the_ablation_is_affine_before_it_is_scaled_and_the_encoder_is_not(
    linear: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.works.functional.normalize", lambda vector, dim: vector)
    model = encoder(dense=3, interactions=not linear, hidden=() if linear else (16,))
    nothing = torch.zeros(1, 1, dtype=torch.int64)
    zero, one, two = torch.zeros(1, 3), torch.tensor([[1.0, -2.0, 0.5]]), torch.tensor([[0.3, 4.0, 1.0]])
    both, neither, first, second = (model(nothing, nothing, each) for each in (one + two, zero, one, two))
    assert torch.allclose(both + neither, first + second, atol=1e-4) == linear


def test_hidden_layers_start_at_nothing() -> None:
    torch.manual_seed(0)
    model = WorkEncoder(ROWS, 8, hidden=(16,)).eval()
    assert model.layers is not None
    features = bags([([1, 2], [3])])
    deep = model(*features)
    model.layers = None
    assert torch.equal(deep, model(*features))


def test_a_field_alone_has_nothing_to_meet() -> None:
    assert not WorkEncoder({"words": 20}, 8).interactions
    assert WorkEncoder({"words": 20}, 8)(torch.tensor([[3, 0]])).shape == (1, 8)
