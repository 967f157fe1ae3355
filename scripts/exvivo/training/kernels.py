"""Triton kernels of a training step on a GPU, each one pass over memory where PyTorch makes several.

With one image in a step nothing but memory traffic counts, apart from the convolutions themselves. All kernels give the
same numbers on every run: sums go over fixed blocks in a fixed order. `training.updates` has the plain way beside each.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import torch
from torch import Tensor

from exvivo.training.devices import CAPABILITY

logger = logging.getLogger(__name__)
MOST_IMAGES = 8  # of an outer product; with more the product is better left to the matrix units
# Numbers that a block of four warps takes at once, and most blocks of a sum (measured on an H200). Blocks that stay for
# all of a layer would leave no room for the convolutions: those need a multiprocessor each.
_WARPS = 4
_FLAT = 1024
_OUTER_ROWS, _OUTER_COLUMNS = 2, 512
_RELU, _POOL, _BLOCKS = 2048, 1024, 1024
_BIAS_PARTS, _BIAS_CHANNELS = 128, 16


@cache
def available(device: torch.device) -> bool:
    """Whether the kernels run on this device: a GPU of compute capability 8 or newer, with a Triton that works.

    Triton comes with PyTorch's CUDA builds; it wants a C compiler and a cache folder (`TRITON_CACHE_DIR`) to start.
    Without it training goes the plain way, and says so.
    """
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < CAPABILITY:
        return False
    try:
        weight = torch.ones(4, device=device)
        moments = torch.zeros_like(weight), torch.zeros_like(weight)
        rate = torch.tensor(0.5, device=device)
        adam(weight, *moments, torch.ones_like(weight), rate, beta1=0.0, beta2=0.0, epsilon=0.0)
        works = weight.tolist() == [0.5] * 4
        reason = f"an update gave {weight.tolist()}"
    except Exception as error:  # noqa: BLE001 - whatever keeps Triton from starting, training can do without
        works, reason = False, f"{type(error).__name__}: {error}"
    if not works:
        logger.warning("training goes on without its own GPU kernels, slower: %s", reason)
    return works


def outer_adam(
    weight: Tensor,
    mean: Tensor,
    square: Tensor,
    gradient: Tensor,
    input: Tensor,
    rate: Tensor,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """One step of Adam on a dense layer, in place; the weight's gradient is never written.

    With one image it is the outer product of two vectors, made here where it is used: 8 of the 40 bytes a parameter
    that a step moves are saved. With a few images it is the sum of as many products.

    Args:
        weight: (outputs, inputs) float32, contiguous.
        mean: first moment, as `weight`.
        square: second moment, as `weight`.
        gradient: (n, outputs) of the layer's output, contiguous.
        input: (n, inputs) of the layer, contiguous; n at most `MOST_IMAGES`.
        rate: scalar on the device, Adam's correction included.
        beta1: as `training.optimizer` defines it.
        beta2: likewise.
        epsilon: likewise.

    """
    outputs, inputs = weight.shape
    grid = (-(-outputs // _OUTER_ROWS), -(-inputs // _OUTER_COLUMNS))
    _code().outer_adam[grid](
        weight, mean, square, gradient, input, rate, outputs, inputs, beta1, beta2, epsilon,
        IMAGES=len(input), ROWS=_OUTER_ROWS, COLUMNS=_OUTER_COLUMNS, num_warps=_WARPS,
    )  # fmt: skip


def adam(
    weight: Tensor,
    mean: Tensor,
    square: Tensor,
    gradient: Tensor,
    rate: Tensor,
    copy: Tensor | None = None,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """One step of Adam in place; all tensors of one size and layout in memory, `gradient` of any precision.

    PyTorch's fused kernel gives a block 65,536 numbers: a convolution's weights then keep a quarter of a GPU busy.
    `copy` receives the new weight in its own precision.
    """
    count = weight.numel()
    _code().adam[(-(-count // _FLAT),)](
        weight, mean, square, gradient, weight if copy is None else copy, rate, count, beta1, beta2, epsilon,
        COPY=copy is not None, BLOCK=_FLAT, num_warps=_WARPS,
    )  # fmt: skip


def bias_adam(
    bias: Tensor,
    mean: Tensor,
    square: Tensor,
    sums: Tensor,
    rate: Tensor,
    copy: Tensor | None = None,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """As `adam` on a bias (C,), from partial sums (p, C) of its gradient."""
    parts, channels = sums.shape
    _code().bias_adam[(-(-channels // _BIAS_CHANNELS),)](
        bias, mean, square, sums, bias if copy is None else copy, rate, channels, beta1, beta2, epsilon,
        COPY=copy is not None, PARTS=parts, AT_ONCE=_BIAS_PARTS, CHANNELS=_BIAS_CHANNELS,
        num_warps=_WARPS,
    )  # fmt: skip


def relu_backward(gradient: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient before ReLU, and partial sums of it over the pixels.

    Args:
        gradient: of ReLU's output, (n, C, h, w), channels last.
        output: of ReLU, likewise.

    Returns:
        gradient: like `gradient`.
        sums: (p, C) float32; their sum is the gradient of the convolution's bias.

    """
    channels = output.shape[1]
    pixels = output.numel() // channels
    found = torch.empty_like(gradient)
    tile, sums = _tile(output, pixels, _RELU)
    _code().relu_backward[tile.grid](
        gradient, output, found, sums, pixels, channels, **tile.constants
    )
    return found, sums


def pool(output: Tensor) -> Tensor:
    """Maximum of 2 × 2 pixels, (n, C, h / 2, w / 2) of (n, C, h, w), channels last, h and w even."""
    count, channels, height, width = output.shape
    small = torch.empty(
        (count, channels, height // 2, width // 2),
        dtype=output.dtype, device=output.device, memory_format=torch.channels_last,
    )  # fmt: skip
    pixels = small.numel() // channels
    wide = _wide(channels)
    block = _POOL // wide
    _code().pool[(-(-pixels // block), -(-channels // wide))](
        output, small, pixels, width, channels, PIXELS=block, CHANNELS=wide, num_warps=_WARPS
    )
    return small


def pool_relu_backward(gradient: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
    """As `relu_backward`, with `gradient` (n, C, h / 2, w / 2) that of `pool` of the output.

    Of equal pixels the first by row and column takes the gradient, as in PyTorch.
    """
    channels, width = output.shape[1], output.shape[3]
    pixels = gradient.numel() // channels
    found = torch.empty_like(output)
    tile, sums = _tile(output, pixels, _POOL)
    _code().pool_relu_backward[tile.grid](
        gradient, output, found, sums, pixels, width, channels, **tile.constants
    )
    return found, sums


@dataclass(frozen=True)
class _Tile:
    grid: tuple[int, int]
    constants: dict[str, int]


def _wide(channels: int) -> int:
    return min(64, 1 << (channels - 1).bit_length())


def _tile(output: Tensor, pixels: int, numbers: int) -> tuple[_Tile, Tensor]:
    """How pixels and channels are shared out, and room for the blocks' sums (p, C).

    A block takes about `numbers` at once, more than once where there would be more than `_BLOCKS` blocks.
    """
    channels = output.shape[1]
    wide = _wide(channels)
    block = numbers // wide
    across = -(-channels // wide)
    times = 1
    while times < 8 and -(-pixels // (block * times)) * across > _BLOCKS:
        times *= 2
    parts = -(-pixels // (block * times))
    sums = torch.empty(parts, channels, dtype=torch.float32, device=output.device)
    constants = {"PIXELS": block, "CHANNELS": wide, "TIMES": times, "num_warps": _WARPS}
    return _Tile((parts, across), constants), sums


def _code() -> ModuleType:
    from exvivo.training import devicecode

    return devicecode
