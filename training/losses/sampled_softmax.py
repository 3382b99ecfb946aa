"""Softmax over a sample of the items, corrected for how likely each item was to be in the sample."""

import torch
from torch import Tensor, nn

MASKED = -1e9
SMALLEST = 1e-9


class SampledSoftmaxLoss(nn.Module):
    """Cross-entropy of positives among candidates that all rows share (Yi et al. 2019, "Sampling-bias-corrected neural
    modeling for large corpus item recommendations", eq. 5): logits s / temperature - log Q.

    Candidates are the batch's own positives, further items drawn by a known distribution, or both. What is drawn often
    would be pushed away too often; taking log Q, the logarithm of how often it is expected in the sample, from its
    logit undoes that.

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
        hidden: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss of the positives, a scalar.

        Args:
            scores: Of each row with each candidate, float [batch, candidates].
            log_q: Logarithm of each candidate's expected number in the sample, float [candidates]; None: all items are
                candidates, once each.
            targets: Places of each row's positives among the candidates, int64 [batch, positives]; -1: none.
            hidden: True where a candidate is no negative of a row's, bool [batch, candidates]; None: all are. A
                positive competes with itself all the same.
            weights: Of each positive, float [batch, positives]; None: all positives of the batch weigh the same.
        """
        logits = scores / self.temperature  # [batch, candidates]
        if log_q is not None:
            logits = logits - log_q  # [batch, candidates]
        there = (targets >= 0).to(logits.dtype)  # [batch, positives]
        counted = there if weights is None else there * weights  # [batch, positives]
        places = targets.clamp_min(0)  # [batch, positives]
        own = logits.gather(1, places)  # [batch, positives]
        if hidden is None:
            total = logits.logsumexp(dim=1, keepdim=True)  # [batch, 1]
        else:
            rest = logits.masked_fill(hidden, MASKED).logsumexp(dim=1, keepdim=True)  # [batch, 1]
            total = torch.where(hidden.gather(1, places), torch.logaddexp(own, rest), rest)  # [batch, positives]
        return ((total - own) * counted).sum() / counted.sum().clamp_min(SMALLEST)
