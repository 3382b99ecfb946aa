"""Adaptive mimic: what a tower cannot see of its partner, learnt into a vector that it is given with its input."""

from torch import Tensor, nn


class AdaptiveMimicLoss(nn.Module):
    """Squared distance of augmented vectors to the other tower's output, on positive pairs only.

    Yu, Wang, Feng and Xue 2021, "A dual augmented two-tower model for online large-scale recommendation", eq. 5:
    for y = 1 the term [y a_u + (1 - y) p_v - p_v]^2 is (a_u - p_v)^2, for y = 0 it is nothing. The outputs are held
    still (stop-gradient), so that only the augmented vectors move.
    """

    def forward(self, augmented: Tensor, partners: Tensor, positives: Tensor) -> Tensor:
        """Return the mean over positive pairs of the mean squared difference, a scalar; 0 where there are none.

        Args:
            augmented: Of one side, float [batch, d].
            partners: Outputs of the other tower, float [candidates, d].
            positives: Weight of each pair that is a positive, 0 elsewhere, float [batch, candidates].
        """
        weights = positives.to(augmented.dtype)  # [batch, candidates]
        held = partners.detach()  # [candidates, d]
        total = weights.sum().clamp_min(1)
        # sum_ij w_ij |a_i - p_j|^2 = sum_i |a_i|^2 w_i. + sum_j |p_j|^2 w_.j - 2 sum_i a_i . (w p)_i
        own = (augmented.square().sum(dim=1) * weights.sum(dim=1)).sum()
        other = (held.square().sum(dim=1) * weights.sum(dim=0)).sum()
        cross = (augmented * (weights @ held)).sum()
        return (own + other - 2 * cross) / (total * augmented.shape[1])
