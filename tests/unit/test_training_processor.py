"""The kernels of training on a CPU against plain PyTorch, and the passes built of them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from exvivo.networks import build, preprocessing, recipe
from exvivo.networks.layers import same_padding
from exvivo.training import bottleneck, processor
from exvivo.training.engine import Engine, TrainingSet
from exvivo.training.plain import PlainLoop

# Of sums in another order; far below what a wrong border or weight would give.
CLOSE = {"rtol": 2e-5, "atol": 2e-5}


@pytest.fixture(autouse=True, params=[1, 3], ids=["1 thread", "3 threads"])
def threads(request):
    """Every kernel alone and in parts."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


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


def lively(network="efficientnet_lite0"):
    """A model whose activations are of order one in every layer, so that both ends of ReLU6 and all statistics count.

    As it is built, those of its last layers are of the order of 1e-8.
    """
    generator = torch.Generator().manual_seed(0)
    model = build(network, seed=3).to(memory_format=torch.channels_last).train()

    def draw(tensor, centre, spread):
        tensor.copy_(centre + spread * torch.randn(tensor.shape, generator=generator))

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 4:
                draw(parameter, 0, (2 / parameter[0].numel()) ** 0.5)
            elif "bn" in name:
                draw(parameter, *((1, 0.2) if name.endswith("weight") else (0.5, 0.5)))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                draw(buffer, 0, 0.2)
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return model


def engine(seed=0, network="efficientnet_lite0", kind=Engine, **changes):
    generator = np.random.default_rng(seed)
    images = generator.random((4, 2, 32, 32), dtype=np.float32)
    data = TrainingSet(torch.from_numpy(images), np.arange(4), np.eye(2)[np.arange(4) % 2])
    settings = recipe(network, "phase2", {"batch_size": 2, "learning_rate": 1e-5, **changes})
    rule = preprocessing("lite", offset=settings.offset)
    model = lively() if network == "efficientnet_lite0" else build(network, seed=3)
    return kind(model, data, settings, rule, phase=2, seed=0)


def weights(trained):
    return {name: tensor.clone() for name, tensor in trained.model.state_dict().items()}


def test_the_kernels_are_used_and_given_back():
    trained = engine()
    assert trained.model.passes is trained.passes is not None
    trained.train_epoch(1)
    trained.release()
    assert trained.model.passes is None
    assert engine(network="resnet50").passes is None


def test_two_runs_of_one_seed_are_bit_equal():
    found = []
    for _ in range(2):
        trained = engine()
        for epoch in (1, 2):
            logits, _ = trained.train_epoch(epoch)
        found.append((logits, weights(trained)))
    assert np.array_equal(found[0][0], found[1][0])
    assert all(torch.equal(found[0][1][name], tensor) for name, tensor in found[1][1].items())


def test_the_loop_equals_the_plain_loop():
    """After twelve steps, measured by how far the weights have moved and by the size of the moments."""
    fast, plain = engine(batch_size=1), engine(batch_size=1, kind=PlainLoop)
    before = weights(fast)
    for epoch in (1, 2, 3):
        logits, _ = fast.train_epoch(epoch)
        wanted = plain.train_epoch(epoch)
        assert np.abs(wanted).max() > 0.1
        np.testing.assert_allclose(logits, wanted, rtol=0, atol=0.01 * np.abs(wanted).max())
    assert fast.steps == 4
    for name, tensor in plain.model.named_parameters():
        moved = (tensor - before[name]).norm()
        assert moved > 0
        assert (weights(fast)[name] - tensor).norm() < 0.05 * moved, name
    for name, mine, (mean, _) in zip(
        fast.optimizer.names, fast.optimizer.means, plain.moments, strict=True
    ):
        assert (mine - mean).norm() < 0.05 * mean.norm(), name


def test_weights_and_statistics_that_are_set_are_seen():
    """As a checkpoint sets them: a loop that goes on from another's state ends where the other ends."""
    first, second, third = engine(), engine(), engine()
    first.train_epoch(1)
    second.load_state({name: tensor.clone() for name, tensor in first.state().items()})
    with torch.no_grad():
        for trained in (first, second):
            for name, tensor in trained.model.state_dict().items():
                if name.endswith("running_var"):
                    tensor.mul_(1.5)
    found = [trained.train_epoch(2)[0] for trained in (first, second)]
    assert np.array_equal(*found)
    assert all(torch.equal(weights(first)[name], t) for name, t in weights(second).items())
    third.train_epoch(1)  # and without the change of statistics
    assert np.abs(third.train_epoch(2)[0] - found[0]).max() > 0.01


@pytest.mark.parametrize("shape", [(2, 3, 40, 36), (1, 3, 64, 64), (1, 3, 5, 6), (3, 3, 9, 1)])
def test_the_gradients_of_every_parameter_equal_those_of_the_plain_passes(shape):
    images = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    model, exact = lively(), lively().double()
    weight = torch.randn(shape[0], 2, generator=torch.Generator().manual_seed(2))
    plain = exact(images.double())
    plain.backward(weight.double())
    passes = bottleneck.take_over(model)
    found = model(images)
    found.backward(weight)
    assert plain.abs().max() > 0.1
    torch.testing.assert_close(found.double(), plain, rtol=1e-3, atol=1e-3)
    for (name, parameter), wanted in zip(model.named_parameters(), exact.parameters(), strict=True):
        assert parameter.grad.stride() == parameter.stride()
        size = wanted.grad.norm()
        assert (parameter.grad - wanted.grad).norm() <= 1e-3 * size, name
        assert size > 0 or 1 in shape[-2:], name
    passes.release()
    with torch.no_grad():
        torch.testing.assert_close(model(images).double(), plain.detach(), rtol=1e-3, atol=1e-3)


def test_what_the_passes_cannot_do_is_an_error():
    model = lively()
    passes = bottleneck.take_over(model)
    with pytest.raises(TypeError, match="expected images in float32"):
        model(torch.randn(1, 3, 32, 32, dtype=torch.float64))
    first, second = (model(torch.randn(1, 3, 32, 32)).sum() for _ in range(2))
    with pytest.raises(RuntimeError, match="after a later forward pass"):
        first.backward()
    second.backward()
    copied = copy.deepcopy(model)
    assert copied.passes is None
    other = bottleneck.take_over(model)
    passes.release()
    assert model.passes is other


def test_images_of_another_shape_get_memory_of_their_own():
    model = lively()
    shapes = [(2, 3, 32, 32), (1, 3, 48, 32), (2, 3, 32, 32)]
    images = [torch.randn(shape, generator=torch.Generator().manual_seed(1)) for shape in shapes]
    plain = [model(some).detach() for some in images]
    assert min(some.abs().max() for some in plain) > 0.1
    bottleneck.take_over(model)
    for some, wanted in zip(images, plain, strict=True):
        torch.testing.assert_close(model(some).detach(), wanted, rtol=1e-3, atol=1e-3)
