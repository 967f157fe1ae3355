"""How the memory of a training step on a CPU is laid out: sizes, weights as matrices, gradients, scratch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from exvivo.networks.layers import FrozenBatchNorm2d, SameConv2d, same_padding


class Shape(NamedTuple):
    """Sizes of a convolution, in the order in which the kernels want them."""

    count: int
    height: int
    width: int
    channels: int
    out_height: int
    out_width: int
    side: int
    stride: int
    top: int
    left: int

    @classmethod
    def of(cls, conv: SameConv2d, count: int, height: int, width: int) -> Shape:
        """Of maps (count, channels, height, width) under TensorFlow's padding."""
        side, stride = conv.kernel_size[0], conv.stride[0]
        return cls(
            count, height, width, conv.groups if conv.groups > 1 else conv.in_channels,
            -(-height // stride), -(-width // stride), side, stride,
            same_padding(height, side, stride)[0], same_padding(width, side, stride)[0],
        )  # fmt: skip

    @property
    def out_pixels(self) -> int:
        """Pixels of all images after the convolution."""
        return self.count * self.out_height * self.out_width


class Matrix:
    """Weights of a convolution as a matrix (outputs, side · side · inputs), and the memory of their gradient."""

    def __init__(self, conv: nn.Conv2d):
        self.parameter = conv.weight
        self.values = _flat(conv.weight.detach())
        self.transposed = self.values.t()
        self.gradient = torch.empty_like(conv.weight, requires_grad=False)
        self.slopes = _flat(self.gradient)

    def gradients(self) -> Iterator[tuple[nn.Parameter, Tensor]]:
        """Parameters, each with its gradient."""
        yield self.parameter, self.gradient


def _flat(weight: Tensor) -> Tensor:
    return weight.permute(0, 2, 3, 1).view(len(weight), -1)


class Norm:
    """A frozen normalisation as the kernels want it, and the memory of its gradients, (2, C)."""

    def __init__(self, norm: FrozenBatchNorm2d, inverse: Tensor):
        self._norm = norm
        self.slopes = torch.empty(2, norm.num_features)
        self.values = (norm.weight.detach(), norm.bias.detach(), norm.running_mean, inverse)

    def gradients(self) -> Iterator[tuple[nn.Parameter, Tensor]]:
        """Parameters, each with its gradient."""
        yield self._norm.weight, self.slopes[0]
        yield self._norm.bias, self.slopes[1]


class Scratch:
    """Memory that the blocks use in turn."""

    def __init__(self):
        self._memory: dict[str, Tensor] = {}

    def of(self, name: str, like: Tensor) -> Tensor:
        """A tensor of the shape of `like`; the memory of a name is that of its largest tensor.

        To be asked for the largest first.
        """
        if name not in self._memory:
            self._memory[name] = torch.empty(like.numel())
        return self._memory[name][: like.numel()].view(like.shape)
