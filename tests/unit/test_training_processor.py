"""The kernels of training on a CPU against plain PyTorch, and the passes built of them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from exvivo.networks.layers import same_padding
from exvivo.training import processor

pytestmark = pytest.mark.usefixtures("threads")
# Of sums in another order; far below what a wrong border or weight would give.
CLOSE = {"rtol": 2e-5, "atol": 2e-5}


def norm(channels, generator):
    """Weight, bias, mean and inverse deviation of a frozen normalisation whose ReLU6 clips below and above."""
    weight, mean = (
        torch.randn(channels, generator=generator) + 1.5,
        torch.randn(channels, generator=generator),
    )
    bias = 2 + torch.randn(channels, generator=generator)
    inverse = (0.5 + torch.rand(channels, generator=generator)).rsqrt()
    return weight, bias, mean, inverse


def normalised(maps, values):
    weight, bias, mean, inverse = values
    return (maps - mean) * inverse * weight + bias


def asking(values):
    """The same, of which weight and bias want gradients."""
    return tuple(v.clone().requires_grad_(i < 2) for i, v in enumerate(values))


def plain_depthwise(maps, norm0, kernel, norm1, side, stride):
    active = F.relu6(normalised(maps, norm0)).permute(0, 3, 1, 2)
    rows, columns = (same_padding(size, side, stride) for size in active.shape[-2:])
    weight = kernel.view(-1, 1, side, side)
    found = F.conv2d(F.pad(active, (*columns, *rows)), weight, None, stride, groups=len(kernel))
    return F.relu6(normalised(found.permute(0, 2, 3, 1), norm1))


def depthwise_case(count, height, width, channels, side, stride, seed=0):
    generator = torch.Generator().manual_seed(seed)
    maps = 2 * torch.randn(count, height, width, channels, generator=generator)
    kernel = torch.randn(channels, side * side, generator=generator)
    norms = norm(channels, generator), norm(channels, generator)
    out = torch.full((count, -(-height // stride), -(-width // stride), channels), torch.nan)
    top, left = (same_padding(size, side, stride)[0] for size in (height, width))
    sizes = (*maps.shape, *out.shape[1:3], side, stride, top, left)
    return maps, kernel, norms, out, sizes


def run_depthwise(maps, kernel, norms, out, sizes, slopes):
    processor.prepared("depthwise", *sizes, maps, *norms[0], kernel, *norms[1], out)()
    found = [torch.full_like(maps, torch.nan), torch.empty(2, maps.shape[-1])]
    found += [torch.empty_like(kernel), torch.empty(2, maps.shape[-1])]
    processor.prepared(
        "depthwise_backward", *sizes, maps, *norms[0], kernel, *norms[1], out, slopes, *found
    )()
    return out, *found


# rows and columns that end inside a block of four pixels, fewer than four, odd ones at stride 2, a square of one
SHAPES = [
    (1, 1, 1, 16, 5, 1),
    (1, 2, 3, 16, 3, 1),
    (2, 3, 2, 32, 5, 2),
    (1, 5, 4, 48, 3, 2),
    (3, 7, 7, 48, 5, 1),
    (2, 8, 9, 32, 3, 1),
    (1, 14, 13, 144, 5, 2),
    (2, 28, 30, 16, 3, 2),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_depthwise_equals_plain_passes(shape):
    maps, kernel, norms, out, sizes = depthwise_case(*shape)
    slopes = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    found = run_depthwise(maps, kernel, norms, out, sizes, slopes)
    maps, kernel = maps.clone().requires_grad_(), kernel.clone().requires_grad_()
    norm0, norm1 = map(asking, norms)
    wanted = plain_depthwise(maps, norm0, kernel, norm1, *shape[-2:])
    wanted.backward(slopes)
    clipped = [(wanted == value).float().mean().item() for value in (0.0, 6.0)]
    assert min(clipped) > 0 or wanted.numel() < 100, "the case shows both ends of ReLU6"
    pairs = zip(
        found,
        (
            wanted,
            maps.grad,
            torch.stack([v.grad for v in norm0[:2]]),
            kernel.grad,
            torch.stack([v.grad for v in norm1[:2]]),
        ),
        strict=True,
    )
    for mine, plain in pairs:
        scale = max(1.0, plain.abs().max().item())
        torch.testing.assert_close(mine / scale, plain.detach() / scale, **CLOSE)


def test_the_number_of_threads_changes_no_number(threads):
    found = []
    for number in (2, threads, 5):
        torch.set_num_threads(number)
        case = depthwise_case(2, 9, 9, 80, 5, 1)
        slopes = torch.randn(case[3].shape, generator=torch.Generator().manual_seed(1))
        found.append(run_depthwise(*case, slopes))
    for one, two, three in zip(*found, strict=True):
        assert torch.equal(one, two) and torch.equal(one, three)


def test_a_not_a_number_stays_one():
    maps, kernel, norms, out, sizes = depthwise_case(1, 6, 6, 16, 3, 1)
    maps[0, 2, 2, 5] = torch.nan
    slopes = torch.ones_like(out)
    found, before, *_, of_kernel, _ = run_depthwise(maps, kernel, norms, out, sizes, slopes)
    wanted = plain_depthwise(maps, norms[0], kernel, norms[1], 3, 1)
    assert torch.equal(found.isnan(), wanted.isnan())
    assert found.isnan().sum() == 9
    assert of_kernel[5].isnan().all()
    assert not of_kernel[:5].isnan().any()
    assert not before[..., :5].isnan().any()


@pytest.mark.parametrize(
    ("pixels", "channels"), [(1, 16), (5, 24), (130, 24), (7, 40), (200, 32), (9, 320), (64, 8)]
)
@pytest.mark.parametrize("shortcut", [False, True])
def test_normalisation_equals_plain_passes(pixels, channels, shortcut):
    generator = torch.Generator().manual_seed(pixels)
    maps, other, slopes = (torch.randn(pixels, channels, generator=generator) for _ in range(3))
    values = norm(channels, generator)
    out, before, slope = torch.empty_like(maps), torch.empty_like(maps), torch.empty(2, channels)
    others = pixels if shortcut else 0
    processor.prepared("normalise", pixels, channels, others, maps, *values, other, out)()
    processor.prepared(
        "normalise_backward", pixels, channels, slopes, maps, *values, before, slope
    )()
    asked, values = maps.clone().requires_grad_(), asking(values)
    wanted = normalised(asked, values) + (other if shortcut else 0)
    wanted.backward(slopes)
    torch.testing.assert_close(out, wanted.detach(), **CLOSE)
    torch.testing.assert_close(before, asked.grad, **CLOSE)
    torch.testing.assert_close(
        slope, torch.stack([v.grad for v in values[:2]]), rtol=2e-5, atol=1e-4
    )


def test_pooling_equals_plain_passes():
    generator = torch.Generator().manual_seed(0)
    maps = 3 * torch.randn(3, 5, 48, generator=generator)
    values, slopes = norm(48, generator), torch.randn(3, 48, generator=generator)
    out, before, slope = torch.empty(3, 48), torch.empty_like(maps), torch.empty(2, 48)
    processor.prepared("pool", *maps.shape, maps, *values, out)()
    processor.prepared("pool_backward", *maps.shape, slopes, maps, *values, before, slope)()
    asked, values = maps.clone().requires_grad_(), asking(values)
    wanted = F.relu6(normalised(asked, values)).mean(1)
    wanted.backward(slopes)
    torch.testing.assert_close(out, wanted.detach(), **CLOSE)
    torch.testing.assert_close(before, asked.grad, **CLOSE)
    torch.testing.assert_close(slope, torch.stack([v.grad for v in values[:2]]), **CLOSE)


@pytest.mark.parametrize(
    ("height", "width", "stride"), [(7, 9, 2), (8, 6, 2), (4, 5, 1), (1, 2, 2)]
)
def test_patches_are_what_a_convolution_sees(height, width, stride):
    images = torch.randn(2, height, width, 3)
    out_height, out_width = -(-height // stride), -(-width // stride)
    rows, columns = same_padding(height, 3, stride), same_padding(width, 3, stride)
    seen = torch.full((2 * out_height * out_width, 27), torch.nan)
    sizes = (*images.shape, out_height, out_width, 3, stride, rows[0], columns[0])
    processor.prepared("patches", *sizes, images, seen)()
    weight = torch.randn(4, 3, 3, 3)
    wanted = F.conv2d(
        F.pad(images.permute(0, 3, 1, 2), (*columns, *rows)), weight, stride=stride
    ).permute(0, 2, 3, 1)
    mine = seen @ weight.permute(0, 2, 3, 1).reshape(4, 27).t()
    torch.testing.assert_close(mine.view(wanted.shape), wanted, **CLOSE)
