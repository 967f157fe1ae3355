"""Architectures: parameter counts and names of the published and of torchvision's networks."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from exvivo.errors import ConfigError
from exvivo.networks import NETWORKS, build, parameter_count
from exvivo.networks.efficientnet import EfficientNetLite0
from exvivo.networks.layers import (
    FrozenBatchNorm2d,
    SameConv2d,
    average_to,
    conv_norm,
    same_padding,
)
from exvivo.networks.resnet import ResNet50
from exvivo.networks.vgg import VGG


@pytest.mark.parametrize(("name", "count"), [("vgg19", 139_578_434), ("vgg16", 134_268_738)])
def test_vgg_has_the_published_number_of_parameters(name, count):
    with torch.device("meta"):
        assert parameter_count(VGG(name)) == count


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: VGG("vgg19", outputs=1000), 143_667_240),
        (lambda: VGG("vgg16", outputs=1000), 138_357_544),
        (lambda: ResNet50(outputs=1000), 25_557_032),
        (lambda: EfficientNetLite0(outputs=1000), 4_652_008),
    ],
)
def test_with_1000_outputs_the_counts_are_those_of_the_imagenet_networks(make, count):
    with torch.device("meta"):
        assert parameter_count(make()) == count


def test_vgg19_parameters_carry_torchvisions_names():
    with torch.device("meta"):
        names = set(VGG("vgg19").state_dict())
    convolutions = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    expected = {f"features.{i}" for i in convolutions} | {f"classifier.{i}" for i in (0, 3, 6)}
    assert names == {f"{layer}.{kind}" for layer in expected for kind in ("weight", "bias")}


def test_resnet50_parameters_carry_torchvisions_names():
    with torch.device("meta"):
        state = ResNet50().state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["layer1.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert shapes["layer3.5.conv2.weight"] == (256, 256, 3, 3)
    assert shapes["layer4.2.bn3.running_var"] == (2048,)
    assert shapes["fc.weight"] == (2, 2048)
    assert "layer1.1.downsample.0.weight" not in shapes
    assert len(shapes) == 320  # as many tensors as torchvision's file


def test_vgg_head_is_glorot_uniform_with_zero_bias_and_no_dropout():
    model = build("small", seed=0)
    bound = (6 / (128 + 2)) ** 0.5
    weight = model.classifier.weight
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.9 * bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)
    assert (model.classifier.bias == 0).all()
    with torch.device("meta"):
        kinds = {type(m).__name__ for m in VGG("vgg19").modules()}
    assert "Dropout" not in kinds


@pytest.mark.parametrize("name", ["small", "efficientnet_lite0", "resnet50"])
def test_features_are_what_the_head_reads(name):
    model = build(name, seed=1)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = model.forward_features(images)
        assert features.shape == (2, model.n_features)
        assert (features >= 0).all()
        torch.testing.assert_close(model.head()(features), model(images))


def test_vgg_features_are_fc2_after_relu():
    model = VGG("vgg16").requires_grad_(False)
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    maps = model.features(images)
    assert maps.shape == (1, 512, 7, 7)
    fc1 = F.relu(F.linear(maps.flatten(1), model.classifier[0].weight, model.classifier[0].bias))
    fc2 = F.relu(F.linear(fc1, model.classifier[3].weight, model.classifier[3].bias))
    torch.testing.assert_close(model.forward_features(images), fc2)
    assert model.forward_features(images).shape == (1, 4096)


def test_one_seed_gives_one_network_and_leaves_the_callers_draws_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, other = build("small", seed=1), build("small", seed=1), build("small", seed=2)
    assert torch.equal(torch.rand(3), expected)
    weights = [m.state_dict()["features.0.weight"] for m in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_unknown_network_is_refused_by_name():
    with pytest.raises(ConfigError, match="resnet18"):
        build("resnet18", seed=0)
    assert len(NETWORKS) == 5


def _trained_norm(channels: int) -> FrozenBatchNorm2d:
    norm = FrozenBatchNorm2d(channels, eps=1e-3)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.copy_(torch.randn(channels, generator=generator))
        norm.running_var.copy_(torch.rand(channels, generator=generator) + 0.1)
    return norm


def test_normalisation_stays_frozen_in_training_mode():
    norm = _trained_norm(4).train()
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    images = torch.randn(1, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    expected = F.batch_norm(
        images, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=1e-3
    )
    assert torch.equal(norm(images), expected)
    assert all(torch.equal(before[name], tensor) for name, tensor in norm.state_dict().items())


@pytest.mark.parametrize("size", [2, 12])  # 2²: fewer pixels than weights, normalised afterwards
@pytest.mark.parametrize(
    ("kernel", "stride", "groups"), [(5, 1, 2), (5, 2, 2), (1, 1, 1), (3, 2, 1), (1, 2, 1)]
)
def test_folded_normalisation_equals_the_two_layers_with_its_gradients(
    size, kernel, stride, groups
):
    torch.manual_seed(0)
    conv, norm = SameConv2d(4, 8, kernel, stride, groups=groups, bias=False), _trained_norm(8)
    images = torch.randn(2, 4, size, size).requires_grad_()
    found = []
    for folded in (True, False):
        norm.folded = folded
        conv.weight.grad = norm.weight.grad = norm.bias.grad = images.grad = None
        output = conv_norm(conv, norm, images)
        output.square().sum().backward()
        found.append([output, conv.weight.grad, norm.weight.grad, norm.bias.grad, images.grad])
    for fast, plain in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4)


def test_pointwise_convolution_keeps_the_channels_last_layout():
    conv, norm = SameConv2d(4, 8, 1, bias=False), _trained_norm(8)
    images = torch.rand(2, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    output = conv_norm(conv, norm, images)
    assert output.is_contiguous(memory_format=torch.channels_last)


def test_same_padding_is_tensorflows():
    assert same_padding(224, 3, 2) == (0, 1)  # one-sided where the sum is odd
    assert same_padding(112, 5, 2) == (1, 2)
    assert same_padding(7, 5, 1) == (2, 2)
    assert same_padding(7, 3, 2) == (1, 1)


@pytest.mark.parametrize("size", [32, 33, 224])
def test_small_takes_any_input_size(size):
    assert build("small", seed=0)(torch.zeros(1, 3, size, size)).shape == (1, 2)


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 5, 9, 16), (1, 2, 7, 3)])
def test_averaging_is_adaptive_pooling_with_its_gradient(shape):
    maps = torch.rand(shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found, wanted = average_to(maps, 7), F.adaptive_avg_pool2d(maps, 7)
    torch.testing.assert_close(found, wanted)
    slope = torch.rand(found.shape, generator=torch.Generator().manual_seed(1))
    (ours,) = torch.autograd.grad(found, maps, slope)
    (theirs,) = torch.autograd.grad(wanted, maps, slope)
    torch.testing.assert_close(ours, theirs)
