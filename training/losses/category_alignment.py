"""Category alignment: item vectors of rare categories are spread like those of the most common one."""

import torch
from torch import Tensor, nn

LEAST_ITEMS = 2
"""Items of a category without which it has no covariance."""


class CategoryAlignmentLoss(nn.Module):
    """Squared Frobenius distance of covariances (Yu et al. 2021, eq. 7): sum_i ||C(S_major) - C(S_i)||^2.

    S_i are the items of the batch in category i, S_major those of the batch's largest; C is the unbiased covariance
    [d, d]. The mean over the other categories is taken, so that the weight does not depend on how many a batch has.
    """

    def forward(self, items: Tensor, categories: Tensor) -> Tensor:
        """Return the loss, a scalar; 0 where fewer than two categories have two items.

        Args:
            items: Item vectors, float [batch, d].
            categories: Category of each item, int64 [batch]; below 0: none.
        """
        found, counts = torch.unique(categories[categories >= 0], return_counts=True)
        common = found[counts >= LEAST_ITEMS]
        if len(common) < 2:
            return items.sum() * 0.0
        major = found[counts.argmax()]
        target = _covariance(items[categories == major])  # [d, d]
        apart = [
            (target - _covariance(items[categories == other])).square().sum()
            for other in common.tolist()
            if other != int(major)
        ]
        return torch.stack(apart).mean()


def _covariance(rows: Tensor) -> Tensor:
    """Return the unbiased covariance of rows [n, d]: [d, d]."""
    centred = rows - rows.mean(dim=0)  # [n, d]
    return centred.T @ centred / (len(rows) - 1)
