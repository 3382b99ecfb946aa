"""Noise similarity: an input and the same input with some of its ids replaced are to have like vectors."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NoiseSimilarityLoss(nn.Module):
    """Minus the mean cosine of each vector to that of its corrupted input."""

    def forward(self, vectors: Tensor, noisy: Tensor) -> Tensor:
        """Return the loss, a scalar between -1 and 1, of vectors and noisy, both float [batch, d]."""
        return -F.cosine_similarity(vectors, noisy, dim=1).mean()


def corrupt(ids: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Replace a share of a field's ids by ids drawn from the same field of the batch; padding (0) stays.

    Drawing from the ids that are there, in place of a range between them, holds for every field: an empty one has
    nothing to replace, one with a single id is left as it is.

    Args:
        ids: int64 [batch, length].
        share: Probability of each id to be replaced.
        generator: Of the random numbers.
    """
    there = ids[ids > 0]  # [ids of the batch]
    if not len(there):
        return ids
    drawn = there[torch.randint(len(there), ids.shape, generator=generator)]  # [batch, length]
    replaced = (torch.rand(ids.shape, generator=generator) < share) & (ids > 0)  # [batch, length]
    return torch.where(replaced, drawn, ids)
