"""Both towers together: what is trained is what is exported, and ids that nobody knows tell nothing."""

from itertools import product
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.towers import Encoder, Fusion
from models.two_tower import HISTORY, ITEM, USER, Shape, Sizes, TwoTower

ITEMS, USERS, UNKNOWN, WIDTH = 20, 9, 1, 8
"""Rows of the tables, padding and the unknown among them."""
FIELDS = {"author": 7, "words": 11}
SHAPES = [
    Shape(WIDTH, fusion, (6,), normalised=normalised, augmented=augmented, user_ids=user_ids, sparse=sparse)
    for fusion, (normalised, augmented, user_ids), sparse in product(
        get_args(Fusion), ((True, True, True), (False, True, False), (True, False, False)), (False, True)
    )
]
PLAIN = Shape(WIDTH, augmented=False)


def catalogue() -> dict[str, NDArray[np.int64]]:
    """What is known of each row of items beside its id."""
    random, known = np.random.default_rng(0), np.arange(ITEMS) > UNKNOWN
    return {name: random.integers(0, rows, (ITEMS, 3)) * known[:, None] for name, rows in FIELDS.items()}


def towers(shape: Shape, contents: bool = True) -> TwoTower:
    """Towers with random weights everywhere but in the rows of padding and of the unknown."""
    torch.manual_seed(0)
    fields = FIELDS if contents else {}
    user = {HISTORY: ITEMS, "country": 4} | ({USER: USERS} if shape.augmented or shape.user_ids else {})
    sizes = Sizes(user, {ITEM: ITEMS, **fields}, UNKNOWN)
    known = {name: ids for name, ids in catalogue().items() if name in fields}
    built = TwoTower(sizes, shape, known, np.arange(ITEMS, dtype=np.float32) * (np.arange(ITEMS) > UNKNOWN))
    with torch.no_grad():
        for parameter in (*built.user_head.parameters(), *built.item_head.parameters()):
            nn.init.normal_(parameter)
        built.bias[UNKNOWN + 1 :].normal_()
    return built.eval()


def people(built: TwoTower) -> dict[str, Tensor]:
    """A reader of three books, one of a single book twice, one without any, and a stranger."""
    given = {
        HISTORY: torch.tensor([[3, 9, 17], [5, 5, 0], [0, 0, 0], [0, 0, 0]]),
        "country": torch.tensor([[2], [3], [1], [0]]),
        USER: torch.tensor([[4], [8], [3], [1]]),
    }
    return {name: given[name] for name in built.user_names}


def shelf(built: TwoTower, rows: Tensor) -> dict[str, Tensor]:
    """What the item tower reads of items."""
    known = {name: torch.from_numpy(ids)[rows] for name, ids in catalogue().items()}
    return {name: ids for name, ids in {ITEM: rows[:, None], **known}.items() if name in built.item_names}


def encoded(encoder: Encoder, given: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        vectors: Tensor = encoder(*(given[name] for name in encoder.names))
    return vectors


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("contents", [True, False])
def test_the_exported_towers_give_the_logits_of_training(shape: Shape, contents: bool) -> None:
    built = towers(shape, contents)
    users, rows = people(built), torch.arange(UNKNOWN + 1, ITEMS)
    with torch.no_grad():
        logits, everything = built.logits(built(users, rows, None)), built.logits(built(users, None, None))
    torch.testing.assert_close(everything[:, rows], logits)
    found = encoded(built.user_encoder(), users) @ encoded(built.item_encoder(), shelf(built, rows)).T
    torch.testing.assert_close(found, logits * built.log_temperature.exp(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if not shape.sparse], ids=str)
def test_an_id_that_nobody_knows_is_told_by_its_content_alone(shape: Shape) -> None:
    built = towers(shape)
    given = shelf(built, torch.arange(5, 9))
    stranger, nobody = ({**given, ITEM: torch.full((4, 1), row)} for row in (1, 0))
    unknown = encoded(built.item_encoder(), stranger)
    assert torch.equal(unknown, encoded(built.item_encoder(), nobody))
    assert unknown[:, WIDTH:].abs().sum() == 0
    content = built.content(given)
    nothing = torch.zeros_like(content)
    expected = built.item_head(nothing, content, nothing if shape.augmented else None)
    torch.testing.assert_close(unknown[:, :WIDTH], expected)


def test_augmented_vectors_of_unknown_users_and_items_are_zero() -> None:
    built = towers(Shape(WIDTH))
    assert built.user_augmented is not None
    assert built.item_augmented is not None
    for table in (built.user_augmented, built.item_augmented):
        assert table(torch.tensor([[0], [UNKNOWN]])).abs().sum() == 0
        assert (table(torch.tensor([[2], [8]])).norm(dim=1) > 0).all()


def test_a_stranger_is_told_by_what_they_read_and_nothing_of_anybody_is_zero() -> None:
    built = towers(Shape(WIDTH, user_ids=True))
    stranger = {HISTORY: torch.tensor([[3, 9]]), "country": torch.tensor([[0]]), USER: torch.tensor([[1]])}
    nobody = {name: torch.zeros(1, 1, dtype=torch.int64) for name in stranger}
    assert torch.equal(
        encoded(built.user_encoder(), stranger), encoded(built.user_encoder(), {**stranger, USER: nobody[USER]})
    )
    assert encoded(built.user_encoder(), nobody)[:, :WIDTH].abs().sum() == 0


def test_a_history_is_the_weighted_sum_of_its_items_over_the_root_of_their_number() -> None:
    built = towers(PLAIN)
    content = built.content({name: torch.from_numpy(ids) for name, ids in catalogue().items()})  # [rows, width]
    rows = (built.history.weight + content) * built.gain.exp()[:, None]
    country = built.attributes.bags.get_parameter("country.weight")
    expected = functional.normalize((rows[3] + rows[9] + rows[17]) / 3**0.5 + country[2], dim=0)
    torch.testing.assert_close(encoded(built.user_encoder(), people(built))[0, :WIDTH], expected)


def test_popular_items_start_with_less_weight_in_a_history() -> None:
    gain = towers(PLAIN).gain.detach()
    torch.testing.assert_close(gain.exp(), torch.arange(ITEMS).where(torch.arange(ITEMS) > UNKNOWN, 0).add(1) ** -0.5)


def test_what_goes_out_is_a_snapshot_of_histories_with_weights_and_content_worked_in() -> None:
    built = towers(PLAIN)
    encoder, users = built.user_encoder(), people(built)
    before = encoded(encoder, users)
    with torch.no_grad():
        built.gain.add_(torch.randn(ITEMS))
        for parameter in built.content.parameters():
            parameter.add_(1)
    assert torch.equal(encoded(encoder, users), before)
    assert not torch.allclose(encoded(built.user_encoder(), users), before)


@pytest.mark.parametrize("shape", SHAPES[:4], ids=str)
def test_an_item_that_is_forgotten_is_told_by_its_content_alone(shape: Shape) -> None:
    built = towers(shape)
    rows, forgotten = torch.tensor([4, 7, 11]), torch.tensor([True, False, True])
    with torch.no_grad():
        told, found = (built(people(built), rows, gone).items for gone in (None, forgotten))
    unknown = encoded(built.item_encoder(), {**shelf(built, rows), ITEM: torch.ones(3, 1, dtype=torch.int64)})
    torch.testing.assert_close(found[forgotten], unknown[forgotten][:, :WIDTH])
    assert torch.equal(found[1], told[1])


def test_gradients_of_tables_are_sparse_where_few_candidates_compete() -> None:
    built = towers(Shape(WIDTH, user_ids=True, sparse=True))
    loss = built.logits(built(people(built), torch.tensor([4, 7]), None)).square().sum()
    torch.autograd.backward(loss)
    assert built.user_ids is not None
    touched = {"item_ids": {4, 7}, "history": {0, 3, 5, 9, 17}}
    for name, rows in touched.items():
        gradient = getattr(built, name).weight.grad
        assert gradient.is_sparse
        assert set(gradient.coalesce().indices()[0].tolist()) <= rows
        assert gradient.to_dense()[0].abs().sum() == 0
    assert all(bag.weight.grad.is_sparse for bag in built.content.bags.values())  # type: ignore[union-attr]
