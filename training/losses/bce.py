"""Binary cross-entropy over every label of every row."""

import torch.nn.functional as F
from torch import Tensor, nn

from training.losses.reduce import masked_mean


class BinaryCrossEntropy(nn.Module):
    """Independent binary cross-entropy of each label: -w y log p - (1 - y) log(1 - p), p = sigmoid(logit).

    Args:
        class_weights: Weight w of each label's positive entries, float [labels]; None: 1.
    """

    class_weights: Tensor | None

    def __init__(self, class_weights: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the mean loss, a scalar.

        Args:
            logits: float [batch, labels].
            targets: 0, 1 or a share between them, any dtype [batch, labels].
            mask: True where an entry counts, [batch, labels]; None: everywhere.
        """
        entries = F.binary_cross_entropy_with_logits(
            logits, targets.to(logits.dtype), pos_weight=self.class_weights, reduction="none"
        )  # [batch, labels]
        return masked_mean(entries, mask)
