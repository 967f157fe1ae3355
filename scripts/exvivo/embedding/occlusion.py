"""Occlusion: how much of a cell's call hangs on each of its pixels.

Heinemann et al. 2022, Methods: around every pixel in turn a square of 5 × 5 is masked by one intensity, in bright-field and in
DAPI; what the probability of the class changes by is the map, and its median and variance describe a cell. Ours: the mask
is the training set's mean of the channel, one channel at a time, clipped at the border; the map is the probability of
the called class before less after, so that what speaks for the call is positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from exvivo.morphology.data import Scale, centre
from exvivo.morphology.passes import laid_out, per_pass, placed

SQUARE = 5


@dataclass(frozen=True)
class Occlusion:
    """`maps` (n, C, S, S); `cancer` (n,) probability without a mask; per cell and channel, (n, C), `median` and `variance`."""

    maps: NDArray[np.float32]
    cancer: NDArray[np.float32]
    median: NDArray[np.float32]
    variance: NDArray[np.float32]


def occlude(
    module: nn.Module,
    scale: Scale,
    crops: NDArray[np.generic],
    size: int,
    *,
    square: int = SQUARE,
    device: torch.device | str = "cpu",
) -> Occlusion:
    """Occlusion maps of crops (n, C, P, P) for a network that sees `size` pixels.

    C × size² masked images a cell: some seconds a hundred cells. Memory does not grow with their number but for the maps.
    """
    mean, sd = (torch.tensor(v, device=device).view(1, -1, 1, 1) for v in (scale.mean, scale.sd))
    module = placed(module, device).eval()
    kept = _masks(size, square).to(device)
    maps, calls = [], []
    for crop in centre(crops, size):
        with torch.inference_mode():
            image = (
                torch.from_numpy(np.ascontiguousarray(crop))[None].to(device).float() - mean
            ) / sd
            own = module(laid_out(image)).float().softmax(1)[0]
            called = int(own.argmax())
            masked = [own[called] - _probability(module, image, kept, c, called) for c in range(len(crop))]  # fmt: skip
        maps.append(torch.stack(masked).view(len(crop), size, size).cpu().numpy())
        calls.append(float(own[1]))
    found = np.stack(maps).astype(np.float32)
    median, variance = np.median(found, axis=(2, 3)), found.var(axis=(2, 3))
    return Occlusion(found, np.asarray(calls, np.float32), median, variance)


def _masks(size: int, square: int) -> Tensor:
    """1 outside and 0 inside the square around each pixel: (size², size, size)."""
    axis = torch.arange(size)
    near = (axis[:, None] - axis[None, :]).abs() <= square // 2
    inside = near[:, None, :, None] & near[None, :, None, :]
    return (~inside).float().reshape(size * size, size, size)


def _probability(
    module: nn.Module, image: Tensor, kept: Tensor, channel: int, called: int
) -> Tensor:
    """Probability (size²,) of the called class with one channel masked; after scaling the mean is 0."""
    found = []
    count = per_pass(kept.device)
    for start in range(0, len(kept), count):
        part = kept[start : start + count]
        masked = image.repeat(len(part), 1, 1, 1)
        masked[:, channel] *= part
        found.append(module(laid_out(masked)).float().softmax(1)[:, called])
    return torch.cat(found)
