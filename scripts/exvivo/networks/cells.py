"""The two networks for single cells: mCNN and a small ResNet, for crops of 20 × 20 pixels.

mCNN is ours. The authors found theirs by random search and did not publish it; known are the search space, that the latent
layer is the last dense layer before the classifier and the 23rd of all, the input counted (Heinemann et al. 2022, Methods
and Fig. 3A). This one keeps to all of that. The ResNet is the CIFAR form of He et al. 2016, 3 × 3 units of 16, 32, 64
maps; of the authors' own "adapted ResNet" nothing more is known.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exvivo.errors import ConfigError
from exvivo.networks.bodies import Body, Layer

CELL_NETWORKS = ("mcnn", "resnet")


def _conv(filters: int) -> list[Layer]:
    numbers = {"filter": 3, "stride": 1, "padding": 1, "filters": filters}
    return [Layer("conv", numbers), Layer("batch_norm")]


_HALVE = {"window": 2, "stride": 2}
# Numbered as in the paper: the input is layer 1, so the first convolution is layer 2.
MCNN: tuple[Layer, ...] = (
    *_conv(32), Layer("relu"), *_conv(32), Layer("relu"), Layer("max_pool", _HALVE),
    *_conv(64), Layer("relu"), *_conv(64), Layer("relu"), Layer("max_pool", _HALVE),
    *_conv(96), Layer("leaky_relu"), Layer("average_pool", _HALVE), Layer("dropout"),
    Layer("dense", {"nodes": 100}), Layer("relu"),
    Layer("dense", {"nodes": 64}), Layer("relu"), Layer("dropout"),
)  # fmt: skip
MCNN_LATENT = 23 - 2  # its place in the tuple


class _Unit(nn.Module):
    """Two 3×3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, input: Tensor) -> Tensor:
        """Map (n, C, h, w) to (n, width, h / stride, w / stride)."""
        maps = F.relu(self.bn1(self.conv1(input)))
        return F.relu(self.bn2(self.conv2(maps)) + self.shortcut(input))


class CellResNet(nn.Module):
    """Stem, three stages of three units, global mean: 64 features of crops of any size from 8 pixels."""

    n_features = 64

    def __init__(self, channels: int = 2, outputs: int = 2):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        stages = []
        for inputs, width, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2)):
            units = [_Unit(inputs, width, stride)]
            units += [_Unit(width, width, 1) for _ in range(2)]
            stages.append(nn.Sequential(*units))
        self.stages = nn.Sequential(*stages)
        self.classifier = nn.Linear(64, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward_features(self, input: Tensor) -> Tensor:
        """Pooled activations (n, 64) of images (n, C, h, w)."""
        return self.stages(self.stem(input)).mean((2, 3))

    def from_features(self, features: Tensor) -> Tensor:
        """Logits (n, 2) from the pooled activations."""
        return self.classifier(features)

    def forward(self, input: Tensor) -> Tensor:
        """Logits (n, 2) of images (n, C, h, w)."""
        return self.from_features(self.forward_features(input))


def build_cell_network(name: str, *, channels: int = 2, size: int = 20, seed: int = 0) -> nn.Module:
    """A network for crops by name, two outputs (0 healthy, 1 cancer), weights random from `seed` alone.

    Raises `ConfigError` for an unknown name, or crops too small for the network.
    """
    if name not in CELL_NETWORKS or size < 8:
        raise ConfigError(
            "there is no such network for cells",
            expected=f"{' or '.join(CELL_NETWORKS)}, crops of at least 8 pixels",
            found=f"{name}, {size} pixels",
            where="cells: network",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == "resnet":
            return CellResNet(channels)
        return Body(MCNN, channels=channels, size=size, latent=MCNN_LATENT)
