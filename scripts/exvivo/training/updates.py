"""Layers that update their weights during the backward pass, beside it.

Plain autograd finishes all gradients before the optimiser starts, and the next step waits for the optimiser. Here a layer's
backward pass gives the gradient of its input at once; gradient and update of its weights go to a side stream
(`training.lanes`), and only the layer's next forward pass waits for them. The dense layers come first in a backward
pass and last in a forward pass, so their traffic hides behind all convolutions. Same numbers, other order.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exvivo.networks.layers import ConvReLU, Dense
from exvivo.training import kernels
from exvivo.training.lanes import Lanes
from exvivo.training.optimizer import KerasAdam

logger = logging.getLogger(__name__)
# Gradients of convolutions' weights side by side: one of them keeps a part of a GPU busy.
_CONV_LANES = 3
_convolution_backward = torch.ops.aten.convolution_backward


class Updates:
    """Takes over forward and backward passes of a model's `Dense` and `ConvReLU` layers.

    Args:
        model: on the device.
        optimizer: of the model's parameters.
        half: precision of the convolutions' products, None for that of the weights; weights and moments stay float32.

    """

    def __init__(self, model: nn.Module, optimizer: KerasAdam, half: torch.dtype | None = None):
        self.optimizer = optimizer
        self.kernels = optimizer.kernels
        self.lanes = Lanes(optimizer.steps.device)
        self.rate: Tensor | None = None
        self._turn = 0
        self._half: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self._fused: dict[nn.Module, bool] = {}
        self._layers = [m for m in model.modules() if isinstance(m, (Dense, ConvReLU))]
        for module in self._layers:
            module.updates = self
            if half is not None and isinstance(module, ConvReLU):
                self._half[module] = (
                    module.weight.detach().to(half),
                    module.bias.detach().to(half),
                )

    def release(self) -> None:
        """Give the layers their own passes back."""
        for module in self._layers:
            module.updates = None
        self._layers.clear()
        self._half.clear()
        self._fused.clear()

    def refresh(self) -> None:
        """Take over weights that something else has set."""
        with torch.no_grad():
            for layer, (weight, bias) in self._half.items():
                weight.copy_(layer.weight)
                bias.copy_(layer.bias)

    def dense(self, layer: nn.Linear, input: Tensor) -> Tensor:
        """Forward pass of a dense layer (n, inputs), after its last update."""
        self.lanes.wait(layer)
        return _Dense.apply(input.float(), layer.weight, layer.bias, layer, self)

    def conv_relu(self, layer: ConvReLU, input: Tensor) -> Tensor:
        """Forward pass of a convolution with ReLU (n, C, h, w), after its last update."""
        self.lanes.wait(layer)
        weight, bias = self._half.get(layer, (layer.weight, layer.bias))
        # The layer's own weight goes along, because autograd looks for something that wants a gradient.
        return _ConvReLU.apply(input.to(weight.dtype), layer.weight, weight, bias, layer, self)

    def convolve(self, layer: ConvReLU, input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """ReLU of the layer's convolution, in one operation where that is to be trusted here."""
        if input.is_cuda and layer not in self._fused:  # in a warm-up: a capture may not ask
            self._fused[layer] = fused_agrees(layer, input, weight, bias)
        if input.is_cuda and self._fused[layer]:
            return _fused(layer, input, weight, bias)
        return _plain(layer, input, weight, bias)

    def update_dense(self, layer: nn.Linear, input: Tensor, gradient: Tensor) -> None:
        """Update from the layer's input and the gradient of its output."""
        rate = self.rate
        with self.lanes.beside("dense", layer, input, gradient, rate):
            self.optimizer.update_dense(layer.weight, layer.bias, gradient, input, rate)

    def update_conv(
        self, layer: ConvReLU, weight: Tensor, input: Tensor, gradient: Tensor, sums: Tensor
    ) -> None:
        """Update from the layer's input, the gradient of its output before ReLU, and that gradient's partial sums."""
        rate = self.rate
        self._turn = (self._turn + 1) % _CONV_LANES
        with self.lanes.beside(f"conv{self._turn}", layer, input, gradient, sums, rate):
            slope = _conv_gradients(layer, weight, input, gradient, (False, True, False))[1]
            copies = self._half.get(layer)
            self.optimizer.update_conv(layer.weight, layer.bias, slope, sums, rate, copies)


def fused_agrees(layer: ConvReLU, input: Tensor, weight: Tensor, bias: Tensor) -> bool:
    """Whether cuDNN's convolution with ReLU gives the plain one's numbers, twice the same, whatever lay in its memory.

    PyTorch calls it without asking for a repeatable algorithm, and hands it unwritten memory as a summand of factor zero.
    """
    wanted = _plain(layer, input, weight, bias).float()
    try:
        found = []
        for _ in range(2):
            torch.full_like(
                wanted, torch.nan, dtype=input.dtype
            )  # what the next result is written over
            found.append(_fused(layer, input, weight, bias))
        tolerance = 0.02 * float(
            wanted.abs().max()
        )  # of bfloat16; what is looked for is not of its size
        agrees = torch.equal(*found) and float((found[0].float() - wanted).abs().max()) <= tolerance
    except RuntimeError as error:
        logger.info("no convolution with ReLU in one operation: %s", error)
        return False
    if not agrees:
        logger.warning("cuDNN's convolution with ReLU is not repeatable here: not used")
    return agrees


def _fused(layer: ConvReLU, input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.cudnn_convolution_relu(
        input, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups
    )


def _plain(layer: ConvReLU, input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(
        input, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups
    ).relu_()


def _conv_gradients(
    layer: ConvReLU, weight: Tensor, input: Tensor, gradient: Tensor, wanted: tuple[bool, ...]
) -> Any:
    return _convolution_backward(
        gradient, input, weight, None, layer.stride, layer.padding, layer.dilation, False, [0, 0],
        layer.groups, wanted,
    )  # fmt: skip


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, weight, bias, layer, updates):
        ctx.save_for_backward(input, weight)
        ctx.layer, ctx.updates = layer, updates
        return F.linear(input, weight, bias)

    @staticmethod
    def backward(ctx, gradient):
        input, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        before = gradient @ weight if ctx.needs_input_grad[0] else None
        ctx.updates.update_dense(ctx.layer, input, gradient)
        return before, None, None, None, None


class _ConvReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, _, weight, bias, layer, updates):
        output = updates.convolve(layer, input, weight, bias)
        # what the kernels read; nothing to do where the convolution has laid it out so
        output = output.contiguous(memory_format=torch.channels_last)
        ctx.layer, ctx.updates = layer, updates
        ctx.save_for_backward(input, weight, output)
        if not layer.pool:
            return output
        if updates.kernels and not (output.shape[-2] % 2 or output.shape[-1] % 2):
            return kernels.pool(output)
        pooled, ctx.places = F.max_pool2d(output, 2, return_indices=True)
        return pooled

    @staticmethod
    def backward(ctx, gradient):
        input, weight, output = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        gradient, sums = _relu_gradient(ctx, gradient, output)
        before = None
        if ctx.needs_input_grad[0]:
            wanted = (True, False, False)
            before = _conv_gradients(ctx.layer, weight, input, gradient, wanted)[0]
        ctx.updates.update_conv(ctx.layer, weight, input, gradient, sums)
        return before, None, None, None, None, None


def _relu_gradient(ctx: Any, gradient: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient before ReLU (and pooling), and partial sums (p, C) of it over images and pixels."""
    places = getattr(ctx, "places", None)
    if ctx.updates.kernels and places is None:
        of = kernels.pool_relu_backward if ctx.layer.pool else kernels.relu_backward
        return of(gradient, output)
    if places is not None:
        gradient = torch.ops.aten.max_pool2d_with_indices_backward(
            gradient, output, [2, 2], [2, 2], [0, 0], [1, 1], False, places
        )
    gradient = torch.ops.aten.threshold_backward(gradient, output, 0)
    return gradient, gradient.sum((0, 2, 3), dtype=torch.float32)[None]
