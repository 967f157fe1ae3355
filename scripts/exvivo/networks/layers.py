"""Layers that more than one network uses: frozen batch normalisation, TensorFlow's padding, initialisation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrozenBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation with the statistics of the weight file, in training as in inference.

    The published scheme trains with one image per step, of which no statistics can be taken; scale and
    shift stay trainable. Parameter names are those of `torch.nn.BatchNorm2d`. `folded` says whether
    `conv_norm` may compute it inside the convolution before it; the plain loop of the benchmark may not.
    """

    folded = True

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (n, C, h, w) with the running statistics."""
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
        )

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """The layer as `x * scale + shift`, each (C,), differentiable in weight and bias."""
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding, which is one-sided where the sum is odd.

    Weights converted from TensorFlow expect it: at stride 2 and an even size it pads right and bottom only.
    `plain` leaves every convolution to PyTorch's own, for the plain loop of the benchmark.
    """

    plain = False

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (n, C, h, w)."""
        return conv_same(self, input, self.weight, self.bias)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after one axis of `size` pixels under TensorFlow's SAME rule."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def conv_same(conv: nn.Conv2d, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with `weight` and `bias` in place of the layer's own, padded as the layer pads."""
    pointwise = conv.kernel_size == (1, 1) and conv.stride == (1, 1)
    if pointwise and input.device.type == "cpu" and not getattr(conv, "plain", False):
        # On channels-last maps a 1×1 convolution is one matrix product, without the copies that
        # PyTorch's convolution makes of a single image on a CPU.
        return F.linear(input.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)
    if not isinstance(conv, SameConv2d):
        return F.conv2d(input, weight, bias, conv.stride, conv.padding, groups=conv.groups)
    rows = same_padding(input.shape[-2], conv.kernel_size[0], conv.stride[0])
    columns = same_padding(input.shape[-1], conv.kernel_size[1], conv.stride[1])
    if rows[0] == rows[1] and columns[0] == columns[1]:
        padding = (rows[0], columns[0])  # symmetric: the convolution pads by itself, without a copy
    else:
        input, padding = F.pad(input, (*columns, *rows)), (0, 0)
    return F.conv2d(input, weight, bias, conv.stride, padding, groups=conv.groups)


def conv_norm(conv: nn.Conv2d, norm: FrozenBatchNorm2d, input: Tensor) -> Tensor:
    """`norm(conv(input))`, the normalisation folded into the convolution where that is less work.

    Equal up to rounding, and gradients still reach weight, scale and shift. Folding saves passes over the
    activations forward and backward and costs passes over the weights, so it is done where a channel has more
    output pixels than weights: in the early layers of a batch-1 step.
    """
    if not norm.folded:
        return norm(conv(input))
    pixels = input.shape[0] * input.shape[-2] * input.shape[-1] // (conv.stride[0] * conv.stride[1])
    if pixels < conv.weight[0].numel():
        return norm(conv_same(conv, input, conv.weight, None))
    scale, shift = norm.scale_and_shift()
    return conv_same(conv, input, conv.weight * scale[:, None, None, None], shift)


class Dense(nn.Linear):
    """Dense layer; a training engine may take over its passes (`updates`, see `training.updates`)."""

    updates = None

    def forward(self, input: Tensor) -> Tensor:
        """Outputs (n, outputs) of (n, inputs)."""
        if self.updates is None or not torch.is_grad_enabled():
            return super().forward(input)
        return self.updates.dense(self, input)


class ConvReLU(nn.Conv2d):
    """Convolution, ReLU and, if `pool`, the maximum of 2 × 2 pixels in one layer; `updates` as in `Dense`."""

    updates = None

    def __init__(self, *arguments: Any, pool: bool = False, **more: Any):
        super().__init__(*arguments, **more)
        self.pool = pool

    def forward(self, input: Tensor) -> Tensor:
        """Activations (n, C, h, w) of (n, channels, h, w)."""
        if self.updates is not None and torch.is_grad_enabled():
            return self.updates.conv_relu(self, input)
        output = F.relu(super().forward(input))
        return F.max_pool2d(output, 2) if self.pool else output


def average_to(maps: Tensor, size: int) -> Tensor:
    """Adaptive average pooling (n, C, size, size) of (n, C, h, w), as two products.

    PyTorch's own adds gradients on a GPU in any order, so that one seed would not give one result.
    """
    maps = maps.float()
    rows, columns = (_windows(side, size, maps.device) for side in maps.shape[-2:])
    return rows @ maps @ columns.t()


def _windows(side: int, size: int, device: torch.device) -> Tensor:
    """Weights (size, side) of adaptive pooling along one axis: windows from floor(i·side/size) to ceil((i+1)·side/size)."""
    i = torch.arange(size, device=device)[:, None]
    j = torch.arange(side, device=device)[None, :]
    inside = ((j >= i * side // size) & (j * size < (i + 1) * side)).float()
    return inside / inside.sum(1, keepdim=True)


def glorot_linear(inputs: int, outputs: int) -> Dense:
    """Dense layer as Keras starts it: weights U(±sqrt(6 / (inputs + outputs))), bias zero."""
    layer = Dense(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
