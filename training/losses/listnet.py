"""ListNet: the distribution that a model gives over a list of candidates, held to the one that relevance gives."""

from torch import Tensor, nn

MASKED = -1e9


class ListNetLoss(nn.Module):
    """Top-one cross-entropy (Cao et al. 2007, "Learning to rank: from pairwise approach to listwise approach", eq. 5).

    Args:
        scale: Factor of the scores before their softmax: 10 for cosines, which differ by 2 at most.
        relevance_temperature: Divides relevance before its softmax: high, and all that is relevant counts alike; low,
            and only the most relevant does.
    """

    def __init__(self, scale: float = 10.0, relevance_temperature: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.relevance_temperature = relevance_temperature

    def forward(self, scores: Tensor, relevance: Tensor, mask: Tensor) -> Tensor:
        """Return the mean over lists, a scalar; lists without candidates count nothing.

        Args:
            scores: float [lists, candidates].
            relevance: 0 and above, any unit, float [lists, candidates].
            mask: True where there is a candidate, bool [lists, candidates].
        """
        logits = (scores * self.scale).masked_fill(~mask, MASKED)  # [lists, candidates]
        wanted = (relevance / self.relevance_temperature).masked_fill(~mask, MASKED).softmax(dim=1)
        entropy = -(wanted * logits.log_softmax(dim=1)).masked_fill(~mask, 0).sum(dim=1)  # [lists]
        filled = mask.any(dim=1).to(entropy.dtype)  # [lists]
        return (entropy * filled).sum() / filled.sum().clamp_min(1)
