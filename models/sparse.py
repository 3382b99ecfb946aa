"""Bags that never change, of which all sums are wanted at every step: the content of a whole catalogue."""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class FixedBags(nn.Module):
    """Sums the rows of a table for the same bags again and again, as a product of sparse matrices.

    For tens of thousands of bags that takes half the time of looking each of them up, and memory for the sums alone.

    Args:
        ids: int64 [bags, length], 0 where there is none.
        rows: Rows of the table.
        weights: What each row of a bag counts, float32 [bags]: for the mean 1 / count.
    """

    forwards: Tensor
    backwards: Tensor

    def __init__(self, ids: NDArray[np.int64], rows: int, weights: NDArray[np.float32]) -> None:
        super().__init__()
        bags, places = np.nonzero(ids)
        tokens = ids[bags, places]
        self.shape = (len(ids), rows)
        self.register_buffer("forwards", _csr(bags, tokens, weights[bags], self.shape), persistent=False)
        self.register_buffer("backwards", _csr(tokens, bags, weights[bags], self.shape[::-1]), persistent=False)

    def forward(self, table: Tensor) -> Tensor:
        """Return the sums, float32 [bags, width], of a table [rows, width]."""
        with torch.autocast(table.device.type, enabled=False):  # there are no sparse products in half precision
            summed: Tensor = _Product.apply(table.float(), self.forwards, self.backwards)  # type: ignore[no-untyped-call]
        return summed


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, forwards: Tensor, backwards: Tensor) -> Tensor:
        ctx.save_for_backward(backwards)
        return forwards @ table

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (backwards,) = ctx.saved_tensors
        return backwards @ gradients[0].contiguous(), None, None


def _csr(
    rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.float32], shape: tuple[int, int]
) -> Tensor:
    order = np.lexsort((columns, rows))
    starts = np.zeros(shape[0] + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=shape[0]), out=starts[1:])
    numbers = torch.from_numpy(values[order].astype(np.float32))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
        return torch.sparse_csr_tensor(
            torch.from_numpy(starts), torch.from_numpy(columns[order]), numbers, size=shape, check_invariants=False
        )
