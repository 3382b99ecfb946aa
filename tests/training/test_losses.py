"""Losses agree with their papers' formulas, stay finite, and leave masked entries out."""

from collections.abc import Callable
from math import exp, log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from training.losses.asymmetric import AsymmetricLoss
from training.losses.bce import BinaryCrossEntropy
from training.losses.focal import FocalLoss

LOSSES = [BinaryCrossEntropy(), FocalLoss(2.0), FocalLoss(0.5), AsymmetricLoss(), AsymmetricLoss(0.5, 1.0, 0.0)]
WEIGHTS = torch.tensor([0.5, 1.0, 3.0, 2.0])


def random_batch(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(6, 4, generator=generator)  # [batch, labels]
    return logits, torch.randint(2, (6, 4), generator=generator)  # [batch, labels]


Formula = Callable[[float], float]
"""What an entry costs when its probability is p."""


def by_hand(logits: Tensor, targets: Tensor, positive: Formula, negative: Formula) -> float:
    """Mean over entries, the positive ones weighted."""
    entries = [
        w * positive(1 / (1 + exp(-logit))) if hot else negative(1 / (1 + exp(-logit)))
        for row, truth in zip(logits.tolist(), targets.tolist(), strict=True)
        for logit, hot, w in zip(row, truth, WEIGHTS.tolist(), strict=True)
    ]
    return float(sum(entries) / len(entries))


@pytest.mark.parametrize(
    ("loss", "positive", "negative"),
    [
        (BinaryCrossEntropy(WEIGHTS), lambda p: -log(p), lambda p: -log(1 - p)),
        (FocalLoss(2.0, WEIGHTS), lambda p: -((1 - p) ** 2) * log(p), lambda p: -(p**2) * log(1 - p)),
        (FocalLoss(0.0, WEIGHTS), lambda p: -log(p), lambda p: -log(1 - p)),
        (
            AsymmetricLoss(4.0, 1.0, 0.05, WEIGHTS),
            lambda p: -(1 - p) * log(p),
            lambda p: -(max(p - 0.05, 0) ** 4) * log(1 - max(p - 0.05, 0)),
        ),
        (AsymmetricLoss(0.0, 0.0, 0.0, WEIGHTS), lambda p: -log(p), lambda p: -log(1 - p)),
    ],
)
def test_losses_are_what_their_papers_say(loss: nn.Module, positive: Formula, negative: Formula) -> None:
    for seed in range(5):
        logits, targets = random_batch(seed)
        assert loss(logits, targets).item() == pytest.approx(by_hand(logits, targets, positive, negative), rel=1e-4)


def test_cross_entropy_takes_shares_between_0_and_1() -> None:
    logits, targets = random_batch(0)
    soft = targets * 0.8 + 0.1
    assert BinaryCrossEntropy()(logits, soft) == F.binary_cross_entropy_with_logits(logits, soft)


@pytest.mark.parametrize("loss", LOSSES)
def test_masked_entries_change_neither_loss_nor_gradient(loss: nn.Module) -> None:
    logits, targets = random_batch(1)
    mask = torch.rand(6, 4) > 0.4
    spoiled = torch.where(mask, logits, 50.0).requires_grad_()
    value = loss(spoiled, torch.where(mask, targets, 1 - targets), mask)
    value.backward()
    alone = [loss(logits[at].view(1, 1), targets[at].view(1, 1)) for at in zip(*torch.where(mask), strict=True)]
    assert value.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-5)
    assert spoiled.grad is not None
    assert spoiled.grad[~mask].abs().max() == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_that_counts_makes_a_loss_of_0(loss: nn.Module) -> None:
    logits, targets = random_batch(2)
    logits.requires_grad_()
    value = loss(logits, targets, torch.zeros(6, 4))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


@pytest.mark.parametrize("loss", LOSSES)
@given(values=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=8), hot=st.integers(0, 255))
def test_extreme_logits_give_finite_losses_and_gradients(loss: nn.Module, values: list[float], hot: int) -> None:
    logits = torch.tensor([values, values], requires_grad=True)  # [2, labels]
    targets = torch.tensor([[hot >> at & 1 for at in range(len(values))]] * 2)  # [2, labels]
    value = loss(logits, targets)
    value.backward()
    assert value.isfinite()
    assert value >= 0
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_push_logits_towards_the_truth(loss: nn.Module) -> None:
    logits = torch.zeros(1, 2, requires_grad=True)
    loss(logits, torch.tensor([[1, 0]])).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] < 0 < logits.grad[0, 1]


def test_class_weights_follow_the_module_but_are_no_weights_of_it() -> None:
    loss = FocalLoss(class_weights=WEIGHTS).to(torch.float64)
    assert loss.class_weights is not None
    assert loss.class_weights.dtype == torch.float64
    assert not loss.state_dict()
