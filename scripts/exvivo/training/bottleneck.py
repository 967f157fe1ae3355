"""Training passes of EfficientNet-lite0 on a CPU: products by PyTorch, everything between them in own kernels.

An inverted bottleneck is product, norm, ReLU6, depthwise convolution, norm, ReLU6, product, norm and shortcut. PyTorch
reads and writes the widened maps once for each of these; here the norm and ReLU6 before and after a depthwise convolution
happen inside it (`training.processorcode`), forward and backward, so that between two products the maps are read and
written once. Same numbers up to the order of sums.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from exvivo.networks.efficientnet import EfficientNetLite0
from exvivo.networks.layers import FrozenBatchNorm2d, SameConv2d, same_padding
from exvivo.training import processor


def take_over(model: nn.Module) -> Bottlenecks | None:
    """Passes for a model whose training passes these can be: on a CPU, where the kernels run; else None."""
    if not isinstance(model, EfficientNetLite0) or next(model.parameters()).device.type != "cpu":
        return None
    return Bottlenecks(model) if processor.available() else None


class Bottlenecks:
    """Takes over the training passes of a model up to its features.

    Args:
        model: float32 on a CPU, convolutions laid out channels last.

    """

    def __init__(self, model: EfficientNetLite0):
        self._model = model
        self._inverse = {
            module: torch.empty_like(module.running_var)
            for module in model.modules()
            if isinstance(module, FrozenBatchNorm2d)
        }
        self.refresh()
        model.passes = self

    def release(self) -> None:
        """Give the model its own passes back."""
        self._model.passes = None

    def refresh(self) -> None:
        """Take over statistics that something else has set."""
        for norm, inverse in self._inverse.items():
            torch.rsqrt(norm.running_var + norm.eps, out=inverse)

    def features(self, input: Tensor) -> Tensor:
        """Pooled activations (n, 1280) of images (n, 3, h, w), for a backward pass."""
        model = self._model
        count, _, height, width = input.shape
        images = input.contiguous(memory_format=torch.channels_last)
        stem = _Shape.of(model._conv_stem, count, height, width)
        maps = _Stem.apply(images, model._conv_stem.weight, stem)
        height, width = stem.out_height, stem.out_width
        norm = model._bn0  # of what reaches a depthwise convolution
        for block in model._blocks:
            shape = _Shape.of(block._depthwise_conv, count, height, width)
            if block.expands:
                norm = block._bn0
            statistics = [(n.running_mean, self._inverse[n]) for n in (norm, block._bn1, block._bn2)]
            maps = _Bottleneck.apply(
                maps, block._expand_conv.weight if block.expands else None, norm.weight, norm.bias,
                block._depthwise_conv.weight, block._bn1.weight, block._bn1.bias,
                block._project_conv.weight, block._bn2.weight, block._bn2.bias,
                shape, statistics, block.shortcut,
            )  # fmt: skip
            height, width = shape.out_height, shape.out_width
        norm = model._bn1
        statistics = (norm.running_mean, self._inverse[norm])
        head = model._conv_head.weight
        return _Head.apply(maps, head, norm.weight, norm.bias, count, statistics)


class _Shape(NamedTuple):
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
    def of(cls, conv: SameConv2d, count: int, height: int, width: int) -> _Shape:
        side, stride = conv.kernel_size[0], conv.stride[0]
        return cls(
            count, height, width, 3 if conv.groups == 1 else conv.groups, -(-height // stride), -(-width // stride),
            side, stride, same_padding(height, side, stride)[0], same_padding(width, side, stride)[0],
        )  # fmt: skip

    @property
    def pixels(self) -> int:
        return self.count * self.height * self.width

    @property
    def out_pixels(self) -> int:
        return self.count * self.out_height * self.out_width


class _Stem(Function):
    """First convolution as one product: (n, 3, h, w) to (pixels, channels). Images want no gradient."""

    @staticmethod
    def forward(ctx, images, weight, shape):
        seen = images.new_empty(shape.out_pixels, shape.side**2 * shape.channels)
        processor.run("patches", *shape, images, seen)
        ctx.save_for_backward(seen, weight)
        return seen @ _matrix(weight).t()

    @staticmethod
    @once_differentiable
    def backward(ctx, slopes):
        seen, weight = ctx.saved_tensors
        return None, _like(weight, slopes.t() @ seen), None


class _Bottleneck(Function):
    """One block: maps (pixels, inputs) to (pixels after the stride, outputs)."""

    @staticmethod
    def forward(
        ctx, maps, expand, weight0, bias0, kernel, weight1, bias1, project, weight2, bias2, shape, statistics, shortcut
    ):  # fmt: skip
        wide = maps if expand is None else maps @ _matrix(expand).t()
        narrow = wide.new_empty(shape.out_pixels, shape.channels)
        norm0, norm1 = (weight0, bias0, *statistics[0]), (weight1, bias1, *statistics[1])
        processor.run("depthwise", *shape, wide, *norm0, kernel, *norm1, narrow)
        product = narrow @ _matrix(project).t()
        output = torch.empty_like(product)
        others = len(maps) if shortcut else 0
        norm2 = (weight2, bias2, *statistics[2])
        processor.run("normalise", *product.shape, others, product, *norm2, maps, output)
        ctx.save_for_backward(
            maps, wide, narrow, product, expand, weight0, bias0, kernel, weight1, bias1, project, weight2, bias2
        )  # fmt: skip
        ctx.shape, ctx.statistics, ctx.shortcut = shape, statistics, shortcut
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx, slopes):
        maps, wide, narrow, product, expand, weight0, bias0, kernel, weight1, bias1, project, weight2, bias2 = (
            ctx.saved_tensors
        )  # fmt: skip
        shape, statistics = ctx.shape, ctx.statistics
        slopes = slopes.contiguous()
        norm0, norm1 = (weight0, bias0, *statistics[0]), (weight1, bias1, *statistics[1])
        norm2 = (weight2, bias2, *statistics[2])
        of_norm0, of_norm1, of_norm2 = (weight.new_empty(2, len(weight)) for weight in (weight0, weight1, weight2))
        of_product = torch.empty_like(product)
        processor.run("normalise_backward", *product.shape, slopes, product, *norm2, of_product, of_norm2)
        of_project = of_product.t() @ narrow
        of_narrow = of_product @ _matrix(project)
        of_wide, of_kernel = torch.empty_like(wide), torch.empty_like(kernel)
        processor.run(
            "depthwise_backward", *shape, wide, *norm0, kernel, *norm1, narrow,
            of_narrow, of_wide, of_norm0, of_kernel, of_norm1,
        )  # fmt: skip
        of_expand, before = None, of_wide
        if expand is not None:
            of_expand = _like(expand, of_wide.t() @ maps)
            matrix = _matrix(expand)
            before = torch.addmm(slopes, of_wide, matrix) if ctx.shortcut else of_wide @ matrix
        elif ctx.shortcut:
            before = of_wide + slopes
        return (
            before, of_expand, *of_norm0, of_kernel, *of_norm1, _like(project, of_project), *of_norm2, None, None, None
        )  # fmt: skip


class _Head(Function):
    """Last convolution, norm, ReLU6 and mean over pixels: maps (n · pixels, inputs) to (n, channels)."""

    @staticmethod
    def forward(ctx, maps, weight, norm_weight, norm_bias, count, statistics):
        product = maps @ _matrix(weight).t()
        features = maps.new_empty(count, product.shape[1])
        sizes = (count, len(product) // count, product.shape[1])
        processor.run("pool", *sizes, product, norm_weight, norm_bias, *statistics, features)
        ctx.save_for_backward(maps, product, weight, norm_weight, norm_bias)
        ctx.sizes, ctx.statistics = sizes, statistics
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx, slopes):
        maps, product, weight, norm_weight, norm_bias = ctx.saved_tensors
        slopes = slopes.contiguous()
        of_product, of_norm = torch.empty_like(product), weight.new_empty(2, len(weight))
        processor.run(
            "pool_backward", *ctx.sizes, slopes, product, norm_weight, norm_bias, *ctx.statistics, of_product, of_norm
        )  # fmt: skip
        of_weight = _like(weight, of_product.t() @ maps)
        return of_product @ _matrix(weight), of_weight, *of_norm, None, None


def _matrix(weight: Tensor) -> Tensor:
    """Weights (outputs, inputs, k, k), laid out channels last, as (outputs, k · k · inputs)."""
    return weight.permute(0, 2, 3, 1).view(len(weight), -1)


def _like(weight: Tensor, gradient: Tensor) -> Tensor:
    """A gradient of `_matrix(weight)` in the weight's shape and strides: neither autograd nor Adam then copies it."""
    return gradient.as_strided(weight.shape, weight.stride())
