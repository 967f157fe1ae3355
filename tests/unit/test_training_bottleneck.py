"""The passes of EfficientNet-lite0 that are built of the kernels: gradients, the loop, and what they refuse."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from exvivo.networks import build, preprocessing, recipe
from exvivo.training import bottleneck
from exvivo.training.engine import Engine, TrainingSet
from exvivo.training.plain import PlainLoop

pytestmark = pytest.mark.usefixtures("threads")


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
    with pytest.raises(RuntimeError, match="found one of an earlier"):
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
