"""Asymmetric loss: the many negatives of a multi-label row fade faster than its few positives."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.losses.reduce import masked_mean

SMALLEST = 1e-8
"""Smallest argument of a logarithm and base of a power."""


class AsymmetricLoss(nn.Module):
    """Asymmetric loss of each label (Ridnik et al. 2021, https://arxiv.org/abs/2009.14119, eq. 7).

    Positive entries: -w (1 - p)^gamma_pos log p. Negative ones: -p_m^gamma_neg log(1 - p_m), where
    p_m = max(p - clip, 0) leaves out negatives that are certain already; p = sigmoid(logit).

    Args:
        gamma_neg: Focusing of negative entries.
        gamma_pos: Focusing of positive entries.
        clip: Probability below which a negative entry counts nothing, in [0, 1).
        class_weights: Weight w of each label's positive entries, float [labels]; None: 1.
    """

    class_weights: Tensor | None

    def __init__(
        self, gamma_neg: float = 4.0, gamma_pos: float = 0.0, clip: float = 0.05, class_weights: Tensor | None = None
    ) -> None:
        super().__init__()
        self.gamma_neg, self.gamma_pos, self.clip = gamma_neg, gamma_pos, clip
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the mean loss, a scalar.

        Args:
            logits: float [batch, labels].
            targets: 0 or 1, any dtype [batch, labels].
            mask: True where an entry counts, [batch, labels]; None: everywhere.
        """
        wrong = torch.sigmoid(-logits)  # 1 - p [batch, labels]
        shifted = (wrong + self.clip).clamp(SMALLEST, 1.0)  # 1 - p_m [batch, labels]
        positive = wrong.clamp_min(SMALLEST) ** self.gamma_pos * -F.logsigmoid(logits)  # [batch, labels]
        negative = (1 - shifted).clamp_min(SMALLEST) ** self.gamma_neg * -shifted.log()  # [batch, labels]
        if self.class_weights is not None:
            positive = positive * self.class_weights  # [batch, labels]
        return masked_mean(torch.where(targets > 0, positive, negative), mask)
