"""Turn and flip crops: steps of 45°, flips, afresh in each iteration (Heinemann et al. 2022, Methods).

A crop is stored with a margin, so that one that is turned by 45° has no empty corners. Quarter turns move pixels and
change none; eighth turns are bilinear.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

STEPS = 8  # of 45°


def draw_turns(seed: int, epoch: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order (n,) of an epoch, and of each cell the turn in 0…15: eighths, then with a flip.

    The two flips together are a half turn: with eight turns, one flip gives all 16 combinations, each equally likely.
    """
    rng = np.random.default_rng([seed, epoch, 3])
    return rng.permutation(count), rng.integers(0, 2 * STEPS, count)


def grids(stored: int, size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Where each of the 16 turned crops takes its pixels from: (16, S, S, 2), as `grid_sample` wants them."""
    offset = (stored - size) % 2 / 2  # where the margin cannot be divided evenly
    steps = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    turned = []
    for flip in (1, -1):
        for eighth in range(STEPS):
            angle = torch.tensor(eighth * torch.pi / 4, dtype=torch.float64)
            sine, cosine = torch.sin(angle), torch.cos(angle)
            source_x, source_y = flip * (cosine * x - sine * y), sine * x + cosine * y
            turned.append(torch.stack([source_x, source_y], -1) - offset)
    return (torch.stack(turned) * 2 / stored).to(dtype)


def turned_probability(module: nn.Module, crops: Tensor, size: int) -> Tensor:
    """Mean probability of cancer (n,) over all 16 turns of scaled crops (n, C, P, P): one call a cell, whichever way it lies.

    Ours: a network learns turns only as far as it has seen them. Sixteen times the work of a single call.
    """
    grid = grids(crops.shape[-1], size, crops.dtype).to(crops.device)
    total = torch.zeros(len(crops), dtype=crops.dtype, device=crops.device)
    with torch.inference_mode():
        for number in range(2 * STEPS):
            own = torch.full((len(crops),), number, device=crops.device)
            total += module(turn(crops, own, grid)).softmax(1)[:, 1]
    return total / (2 * STEPS)


def turn(crops: Tensor, turns: Tensor, grid: Tensor) -> Tensor:
    """Turned crops (n, C, S, S) of stored crops (n, C, P, P); `turns` (n,), `grid` from `grids`.

    What lies outside a stored crop is mirrored.
    """
    return F.grid_sample(
        crops, grid[turns], mode="bilinear", padding_mode="reflection", align_corners=False
    )
