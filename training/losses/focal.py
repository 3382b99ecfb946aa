"""Focal loss: cross-entropy that fades where the model is right already."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.losses.reduce import masked_mean

SMALLEST = 1e-8
"""Smallest base of a power, whose slope at 0 may have no bound."""


class FocalLoss(nn.Module):
    """Focal loss of each label (Lin et al. 2017, https://arxiv.org/abs/1708.02002, eq. 4): -w (1 - p_t)^gamma log p_t.

    p_t is the probability given to what is true: p for positive entries, 1 - p for negative ones, p = sigmoid(logit).

    Args:
        gamma: How fast the weight of easy entries falls; 0: binary cross-entropy.
        class_weights: Weight w of each label's positive entries, float [labels]; None: 1.
    """

    class_weights: Tensor | None

    def __init__(self, gamma: float = 2.0, class_weights: Tensor | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the mean loss, a scalar.

        Args:
            logits: float [batch, labels].
            targets: 0 or 1, any dtype [batch, labels].
            mask: True where an entry counts, [batch, labels]; None: everywhere.
        """
        hot = targets.to(logits.dtype)  # [batch, labels]
        entropy = F.binary_cross_entropy_with_logits(logits, hot, reduction="none")  # -log p_t [batch, labels]
        wrong = -torch.expm1(-entropy)  # 1 - p_t [batch, labels]
        entries = wrong.clamp_min(SMALLEST) ** self.gamma * entropy  # [batch, labels]
        if self.class_weights is not None:
            entries = entries * torch.where(hot > 0, self.class_weights, 1.0)  # [batch, labels]
        return masked_mean(entries, mask)
