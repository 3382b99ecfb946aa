"""Softmax over a sample of the items, corrected for how likely each item was to be in the sample."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SampledSoftmaxLoss(nn.Module):
    """Cross-entropy of positives among candidates that all rows share (Yi et al. 2019, "Sampling-bias-corrected neural
    modeling for large corpus item recommendations", eq. 5): logits s / temperature - log Q.

    Candidates are the batch's own positives, further items drawn by a known distribution, or both. What is drawn often
    would be pushed away too often; taking log Q, the logarithm of how often it is expected in the sample, from its
    logit undoes that. A row's other positives are no negatives of it.

    Args:
        temperature: Divides the scores: 1 for dot products, some 0.1 for cosines.
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self,
        scores: Tensor,
        log_q: Tensor | None,
        targets: Tensor,
        known: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss of the positives, a scalar.

        Args:
            scores: Of each row with each candidate, float [batch, candidates].
            log_q: Logarithm of each candidate's expected number in the sample, float [candidates]; None: all items are
                candidates, once each.
            targets: Places of each row's positives among the candidates, int64 [batch, positives]; -1: none.
            known: True where a candidate is a positive of the row's, bool [batch, candidates]; None: only targets are.
            weights: Of each positive, float [batch, positives]; None: all positives of the batch weigh the same.
        """
        logits = scores / self.temperature  # [batch, candidates]
        if log_q is not None:
            logits = logits - log_q  # [batch, candidates]
        there = (targets >= 0).to(logits.dtype)  # [batch, positives]
        counted = there if weights is None else there * weights  # [batch, positives]
        own = logits.gather(1, targets.clamp_min(0))  # [batch, positives]
        if known is not None:
            rest = logits.masked_fill(known, float("-inf")).logsumexp(dim=1, keepdim=True)  # [batch, 1]
            total = torch.logaddexp(own, rest)  # [batch, positives]
        else:
            total = logits.logsumexp(dim=1, keepdim=True)  # [batch, 1]
        return ((total - own) * counted).sum() / counted.sum().clamp_min(1e-9)


def logits_of(users: Tensor, items: Tensor, cosine: bool) -> Tensor:
    """Return dot products or cosines of users [batch, d] and items [candidates, d]: [batch, candidates]."""
    if cosine:
        users, items = F.normalize(users, dim=1), F.normalize(items, dim=1)
    return users @ items.T  # [batch, candidates]
