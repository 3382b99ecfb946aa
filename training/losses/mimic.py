"""Adaptive mimic: what a tower cannot see of its partner, learnt into a vector that it is given with its input."""

from torch import Tensor, nn


class AdaptiveMimicLoss(nn.Module):
    """Squared distance of augmented vectors to the other tower's output, on positive pairs only.

    Yu, Wang, Feng and Xue 2021, "A dual augmented two-tower model for online large-scale recommendation", eq. 5:
    for y = 1 the term [y a_u + (1 - y) p_v - p_v]^2 is (a_u - p_v)^2, for y = 0 it is nothing. The outputs are held
    still (stop-gradient), so that only the augmented vectors move.
    """

    def forward(self, augmented: Tensor, partners: Tensor) -> Tensor:
        """Return the mean over pairs of the squared distance, a scalar.

        Args:
            augmented: Of one side of each positive pair, float [pairs, d].
            partners: Output of the other side's tower, float [pairs, d].
        """
        return (augmented - partners.detach()).square().sum(dim=1).mean()
