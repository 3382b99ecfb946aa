"""Softmax over a whole catalogue, in little memory: the logits of a step exist once, and become their own gradient."""

from typing import Any

import torch
from torch import Tensor, nn

MASKED = -1e9
SMALLEST = 1e-9


class FullSoftmaxLoss(nn.Module):
    """Cross-entropy of several positives of each row among all items: `SampledSoftmaxLoss` where nothing is sampled.

    Logits of some hundred rows with tens of thousands of items are what a step spends its time on. Left to autograd
    they are copied at each of six operations; here they are overwritten, and gradients made while they are there.

    Args:
        products: Arithmetic of the three matrix products; sums and exponentials are in fp32 in any case.
    """

    def __init__(self, products: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.products = products

    def forward(
        self, users: Tensor, items: Tensor, biases: Tensor, targets: Tensor, hidden: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the mean loss of the positives, a scalar.

        Args:
            users: Already over the temperature, float [batch, d].
            items: float [items, d].
            biases: Added to the logits, float [items]; `MASKED` for what is no candidate of anybody's.
            targets: Items of each row's positives, int64 [batch, positives]; -1: none.
            hidden: Items that are no candidates of a row's, int64 [batch, length], repeated at will.
            weights: What each positive of a row counts, float [batch, 1].
        """
        row, place = (targets >= 0).nonzero(as_tuple=True)  # [pairs] each
        counted = weights.expand_as(targets)[row, place]  # [pairs]
        counted = counted / counted.sum().clamp_min(SMALLEST)
        loss: Tensor = _Softmax.apply(  # type: ignore[no-untyped-call]
            users, items, biases, row, targets[row, place], counted, hidden, self.products
        )
        return loss


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, users: Tensor, items: Tensor, biases: Tensor, row: Tensor, target: Tensor, counted: Tensor,
        hidden: Tensor, products: torch.dtype,
    ) -> Tensor:  # fmt: skip
        few, many = users.to(products), items.to(products)
        logits = (few @ many.T).float().add_(biases)  # [batch, items]
        logits.scatter_(1, hidden, MASKED)
        top = logits.amax(dim=1, keepdim=True)  # [batch, 1]
        own = logits[row, target]  # [pairs]
        total = logits.sub_(top).exp_().sum(dim=1, keepdim=True)  # [batch, 1]
        loss = (counted * (top[row, 0] + total[row, 0].log() - own)).sum()
        mass = torch.zeros_like(top).index_add_(0, row, counted.unsqueeze(1))  # [batch, 1]
        slope = logits.mul_(mass / total)  # [batch, items], from here on the gradient
        slope.index_put_((row, target), -counted, accumulate=True)
        half = slope.to(products)
        ctx.save_for_backward((half @ many).float(), (half.T @ few).float(), slope.sum(dim=0))
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        users, items, biases = ctx.saved_tensors
        return users * gradients[0], items * gradients[0], biases * gradients[0], None, None, None, None, None
