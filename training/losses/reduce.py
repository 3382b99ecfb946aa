"""The mean over the entries that count."""

from torch import Tensor


def masked_mean(entries: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of entries, float [batch, labels], where `mask`, bool or 0/1 of that shape, lets them count.

    Without a mask all count; with none that counts the mean is 0, and so is its gradient.
    """
    if mask is None:
        return entries.mean()  # []
    return entries.where(mask.bool(), 0.0).sum() / mask.bool().sum().clamp_min(1)  # []
