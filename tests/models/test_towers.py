"""Heads, contents and whole towers."""

from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.fields import FieldBag
from models.towers import Content, Encoder, Fusion, Head, id_table

WIDTH = 6
FUSIONS = get_args(Fusion)


def head_of(fusion: Fusion = "sum", augmented: bool = True, normalised: bool = True) -> Head:
    return Head(WIDTH, fusion, augmented=augmented, hidden=(8,), dropout=0.0, normalised=normalised).eval()


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    identity, content, augmented = torch.randn(3, 5, WIDTH)
    return identity, content, augmented


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("augmented", [False, True])
def test_every_head_starts_as_the_sum_of_identity_and_content(fusion: Fusion, augmented: bool) -> None:
    identity, content, other = inputs()
    found = head_of(fusion, augmented, normalised=False)(identity, content, other if augmented else None)
    torch.testing.assert_close(found, identity + content)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_head_can_learn_from_all_that_it_is_given(fusion: Fusion) -> None:
    torch.manual_seed(0)
    head = head_of(fusion)
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    given = [each.requires_grad_() for each in inputs()]
    head(*given)[:, 0].sum().backward()
    assert all(each.grad is not None and each.grad.abs().max() > 0 for each in given)
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in head.parameters())


def test_a_gate_weighs_identity_against_content_and_layers_are_added_to_both() -> None:
    torch.manual_seed(0)
    identity, content, _ = inputs()
    for fusion in ("mlp", "gated"):
        head = head_of(fusion, augmented=False, normalised=False)
        assert head.layers is not None
        nn.init.normal_(head.layers[-1].weight)  # type: ignore[arg-type]
        found = head.layers(torch.cat([identity, content], dim=1))
        gate = torch.sigmoid(found)
        expected = {"mlp": identity + content + found, "gated": 2 * (gate * identity + (1 - gate) * content)}
        torch.testing.assert_close(head(identity, content, None), expected[fusion])


def test_cosines_are_of_unit_vectors_and_a_vector_of_nothing_is_zero() -> None:
    identity, content, augmented = inputs()
    torch.testing.assert_close(head_of()(identity, content, augmented).norm(dim=1), torch.ones(5))
    nothing = torch.zeros(1, WIDTH)
    assert head_of()(nothing, nothing, nothing).abs().sum() == 0
    assert head_of(normalised=False)(identity, content, augmented).norm(dim=1).std() > 0.1


def test_content_is_the_sum_over_fields_each_over_the_root_of_its_size() -> None:
    torch.manual_seed(0)
    content = Content({"author": 5, "words": 9}, WIDTH, sparse=False)
    author, words = (content.bags.get_parameter(f"{name}.weight") for name in ("author", "words"))
    found = content({"author": torch.tensor([[2], [0]]), "words": torch.tensor([[3, 4], [7, 0]])})
    torch.testing.assert_close(found[0], author[2] + (words[3] + words[4]) / 2**0.5)
    torch.testing.assert_close(found[1], words[7])


def test_a_tower_without_fields_has_a_content_of_zero() -> None:
    found = Content({}, WIDTH, sparse=False)({"item": torch.ones(3, 1, dtype=torch.int64)})
    assert found.shape == (3, WIDTH)
    assert found.abs().sum() == 0


def test_unknown_ids_start_at_zero_and_known_ones_do_not() -> None:
    table = id_table(10, 2, WIDTH, sparse=False).table
    assert table[:3].abs().sum() == 0
    assert (table[3:].norm(dim=1) > 0).all()


def test_a_tower_takes_its_inputs_in_the_order_of_their_names() -> None:
    torch.manual_seed(0)
    own, content = FieldBag(8, WIDTH), Content({"author": 5, "words": 9}, WIDTH, sparse=False)
    encoder = Encoder(("item", "author", "words"), "item", own, content, None, head_of(augmented=False), None)
    item, author, words = torch.tensor([[3], [4]]), torch.tensor([[1], [0]]), torch.tensor([[3, 4], [7, 0]])
    expected = functional.normalize(own(item) + content({"author": author, "words": words}), dim=1)
    torch.testing.assert_close(encoder(item, author, words)[:, :WIDTH], expected)
    with pytest.raises(ValueError, match="shorter"):
        encoder(item, author)


def test_the_last_dimension_is_a_number_of_the_id_or_one() -> None:
    torch.manual_seed(0)
    content, last = Content({}, WIDTH, sparse=False), FieldBag(8, 1, spread=1.0)
    ids = torch.tensor([[3], [0]])
    for table, expected in ((last, last.weight[[3, 0]]), (None, torch.ones(2, 1))):
        encoder = Encoder(("item",), "item", FieldBag(8, WIDTH), content, None, head_of(augmented=False), table)
        torch.testing.assert_close(encoder(ids)[:, WIDTH:], expected)
