"""A trial of the kernels against plain PyTorch before they are trusted: forward and backward, on sixteen and more channels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

_CHANNELS, _SIZE, _SIDE = 48, 6, 3
_TOLERANCE = 1e-4  # of the largest number; sums in another order differ by far less


def disagreement(prepared: Callable[..., Callable[[], None]]) -> str | None:
    """The first kernel whose numbers are not those of plain PyTorch; None if all agree."""
    generator = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    maps, kernel = 2 * some(1, _SIZE, _SIZE, _CHANNELS), some(_CHANNELS, _SIDE**2)
    norms = []  # weight, bias, mean and inverse deviation
    for _ in range(3):
        weight, bias, mean, inverse = some(4, _CHANNELS)
        norms.append((weight, 2 + bias, mean, 1 + inverse.abs()))
    slopes = some(1, _SIZE, _SIZE, _CHANNELS)
    mine = _mine(prepared, maps, norms, kernel, slopes)
    plain = _plain(maps, norms, kernel, slopes)
    for name, found in mine.items():
        error = (found - plain[name].view_as(found)).abs().max()
        if not error <= _TOLERANCE * plain[name].abs().max():  # a not-a-number agrees with nothing
            return f"{name} differs by {float(error):.1e}"
    return None


def _mine(
    prepared: Callable, maps: Tensor, norms: list, kernel: Tensor, slopes: Tensor
) -> dict[str, Tensor]:
    pixels = _SIZE * _SIZE
    active, normal, of_active, of_maps, of_product = (torch.empty_like(maps) for _ in range(5))
    *of_norms, of_pool = (torch.empty(2, _CHANNELS) for _ in range(4))
    of_kernel, means = torch.empty_like(kernel), torch.empty(1, _CHANNELS)
    seen = torch.empty(1, _SIZE, _SIZE, _SIDE**2 * _CHANNELS)
    sizes = (*maps.shape, _SIZE, _SIZE, _SIDE, 1, 1, 1)
    flat, above = (pixels, _CHANNELS), slopes[0, 0, :1].contiguous()
    calls = (
        ("depthwise", *sizes, maps, *norms[0], kernel, *norms[1], active),
        ("normalise", *flat, pixels, active, *norms[2], maps, normal),
        ("normalise_backward", *flat, slopes, active, *norms[2], of_active, of_norms[2]),
        ("depthwise_backward", *sizes, maps, *norms[0], kernel, *norms[1], active, of_active, of_maps,
         of_norms[0], of_kernel, of_norms[1]),
        ("pool", 1, *flat, normal, *norms[2], means),
        ("pool_backward", 1, *flat, above, normal, *norms[2], of_product, of_pool),
        ("patches", *sizes, maps, seen),
    )  # fmt: skip
    for name, *values in calls:
        prepared(name, *values)()
    names = ("normalise", "depthwise_backward", "norm0", "norm1", "norm2", "kernel")
    found = dict(zip(names, (normal, of_maps, *of_norms, of_kernel), strict=True))
    return {
        **found,
        "norm of the pool": of_pool,
        "pool": means,
        "pool_backward": of_product,
        "patches": seen,
    }


def _plain(maps: Tensor, norms: list, kernel: Tensor, slopes: Tensor) -> dict[str, Tensor]:
    asked = [
        [v.clone().requires_grad_(i < 2) for i, v in enumerate(norm)] for norm in (*norms, norms[2])
    ]
    maps, kernel = maps.clone().requires_grad_(), kernel.clone().requires_grad_()

    def normalised(values: Tensor, norm: list[Tensor]) -> Tensor:
        weight, bias, mean, inverse = norm
        return (values - mean) * inverse * weight + bias

    active = F.relu6(normalised(maps, asked[0])).permute(0, 3, 1, 2)
    weight = kernel.view(_CHANNELS, 1, _SIDE, _SIDE)
    narrow = F.conv2d(active, weight, padding=1, groups=_CHANNELS).permute(0, 2, 3, 1)
    normal = normalised(F.relu6(normalised(narrow, asked[1])), asked[2])
    normal.backward(slopes)
    shown = (normal + maps).detach()
    product = shown.clone().requires_grad_()
    means = F.relu6(normalised(product, asked[3])).mean((1, 2))
    means.backward(slopes[0, 0, :1])
    seen = F.unfold(maps.detach().permute(0, 3, 1, 2), _SIDE, padding=1)
    seen = seen.view(_CHANNELS, _SIDE**2, -1).permute(2, 1, 0)
    gradients = [torch.stack([v.grad for v in norm[:2]]) for norm in asked]
    return {
        "normalise": shown, "depthwise_backward": maps.grad, "norm0": gradients[0], "norm1": gradients[1],
        "norm2": gradients[2], "kernel": kernel.grad, "pool": means.detach(), "pool_backward": product.grad,
        "norm of the pool": gradients[3], "patches": seen.contiguous(),
    }  # fmt: skip
