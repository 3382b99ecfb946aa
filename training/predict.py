"""Forward passes over many rows, spread over the devices."""

from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor


def predict(
    fabric: Fabric, forward: Callable[[Any], Tensor], collate: Callable[[Tensor], Any], rows: Tensor, batch_rows: int
) -> Tensor:
    """Compute outputs for row numbers, int64 [rows], in the order in which they are given.

    Args:
        fabric: Says which device this process computes on, and which rows.
        forward: A collated batch, moved to the device -> [batch, ...]. The module has to be in evaluation mode.
        collate: Row numbers, int64 [batch] -> what `forward` takes, on the CPU.
        rows: Rows of like cost are best put side by side; the caller sorts and restores.
        batch_rows: Rows of one pass on one device.

    Returns:
        [rows, ...] on the CPU, the same in every process.
    """
    world = fabric.world_size
    padded = torch.cat([rows, rows[:1].expand(-len(rows) % world)])  # all processes need as many rows to gather
    mine = padded[fabric.global_rank :: world]
    with torch.inference_mode():
        outputs = [forward(fabric.to_device(collate(part))).cpu() for part in torch.split(mine, batch_rows)]
    local = torch.cat(outputs)  # [rows / world, ...]
    if world == 1:
        return local
    gathered: Tensor = fabric.all_gather(fabric.to_device(local)).cpu()  # type: ignore[union-attr]  # [world, rows / world, ...]
    return gathered.transpose(0, 1).flatten(0, 1)[: len(rows)]
