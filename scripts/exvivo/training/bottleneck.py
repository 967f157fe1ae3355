"""Training passes of EfficientNet-lite0 on a CPU: products by PyTorch, everything between them in own kernels.

An inverted bottleneck is product, norm, ReLU6, depthwise convolution, norm, ReLU6, product, norm and shortcut. PyTorch
reads and writes the widened maps once for each of these; here the norm and ReLU6 before and after a depthwise convolution
happen inside it (`training.processor.depthwise`), forward and backward, so that between two products the maps are read and
written once. All of a step's memory is laid out before the first one, as shapes do not change, and what is needed for one
block only is shared by all: it stays in the cache. Same numbers as the plain passes up to the order of sums.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from exvivo.networks.efficientnet import EfficientNetLite0, MBConv
from exvivo.networks.layers import FrozenBatchNorm2d
from exvivo.training import processor
from exvivo.training.layouts import Matrix, Norm, Scratch, Shape


def used_for(network: str, device: torch.device) -> bool:
    """Whether a network trains with these passes on a device."""
    return network == "efficientnet_lite0" and device.type == "cpu" and processor.available()


def take_over(model: nn.Module) -> Bottlenecks | None:
    """Passes for a model whose training passes these can be: on a CPU, where the kernels run; else None."""
    if not isinstance(model, EfficientNetLite0) or next(model.parameters()).device.type != "cpu":
        return None
    return Bottlenecks(model) if processor.available() else None


class Bottlenecks:
    """Takes over the training passes of a model up to its features.

    The backward pass sets the gradients of the parameters, in memory that the next step writes over.

    Args:
        model: float32 on a CPU; laid out channels last here, after which its parameters must stay where they are.

    """

    def __init__(self, model: EfficientNetLite0):
        self._model = model.to(memory_format=torch.channels_last)
        self._inverse = {
            module: torch.empty_like(module.running_var)
            for module in model.modules()
            if isinstance(module, FrozenBatchNorm2d)
        }
        self._trunk: _Trunk | None = None
        self.refresh()
        model.passes = self

    def release(self) -> None:
        """Give the model its own passes back, and let go of the memory."""
        self._trunk = None
        if self._model.passes is self:  # another engine may have taken over since
            self._model.passes = None

    def __deepcopy__(self, memo: dict) -> None:
        """A copied model has its own passes: these know the original's memory."""

    def refresh(self) -> None:
        """Take over statistics that something else has set."""
        for norm, inverse in self._inverse.items():
            torch.rsqrt(norm.running_var + norm.eps, out=inverse)

    def features(self, input: Tensor) -> Tensor:
        """Pooled activations (n, 1280) of images (n, 3, h, w), for one backward pass before the next call.

        Raises:
            TypeError: images that are not float32.

        """
        if input.dtype != torch.float32:
            raise TypeError(
                f"training passes on a CPU: expected images in float32, found {input.dtype}; convert them"
            )
        images = input.contiguous(memory_format=torch.channels_last)
        if self._trunk is None or self._trunk.shape != images.shape:
            self._trunk = _Trunk(self._model, self._inverse, images.shape)
        return _Features.apply(images, self._trunk.asking, self._trunk)


class _Features(Function):
    @staticmethod
    def forward(ctx, images, _, trunk):
        ctx.trunk = trunk
        features = trunk.forward(images)
        ctx.turn = trunk.turn
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx, slopes):
        if ctx.turn != ctx.trunk.turn:
            raise RuntimeError(
                "training passes on a CPU: expected the backward pass of the last forward pass, found one of an earlier "
                "one, whose memory is written over; go back before the next forward pass, or release the passes"
            )
        ctx.trunk.backward(slopes)
        return None, None, None


class _Trunk:
    """The passes for one shape of images.

    Args:
        model: whose passes these are.
        inverse: inverse deviation (C,) of each of its normalisations.
        shape: of the images, (n, 3, h, w).

    """

    def __init__(
        self,
        model: EfficientNetLite0,
        inverse: dict[FrozenBatchNorm2d, Tensor],
        shape: torch.Size,
    ):
        self.shape, self.turn = shape, 0
        self.asking = torch.zeros((), requires_grad=True)  # autograd looks for something that does
        count, _, height, width = shape
        norms = {norm: Norm(norm, values) for norm, values in inverse.items()}
        self._stem, self._head = Matrix(model._conv_stem), Matrix(model._conv_head)
        self._sizes = Shape.of(model._conv_stem, count, height, width)
        self._seen = torch.empty(self._sizes.out_pixels, self._stem.values.shape[1])
        maps = self._first = torch.empty(self._sizes.out_pixels, len(self._stem.values))
        height, width = self._sizes.out_height, self._sizes.out_width
        norm = norms[model._bn0]  # of what reaches a depthwise convolution
        self._blocks: list[_Block] = []
        for module in model._blocks:
            if module.expands:
                norm = norms[module._bn0]
            sizes = Shape.of(module._depthwise_conv, count, height, width)
            used = (norm, norms[module._bn1], norms[module._bn2])
            self._blocks.append(_Block(module, used, sizes, maps))
            maps, height, width = self._blocks[-1].output, sizes.out_height, sizes.out_width
        self._lay_out_slopes()
        norm = norms[model._bn1]
        self._last = maps
        self._product = torch.empty(len(maps), len(self._head.values))
        self._of_product = torch.empty_like(self._product)
        self._features = torch.empty(count, self._product.shape[1])
        sizes = (count, len(maps) // count, self._product.shape[1])
        self._pool = processor.prepared("pool", *sizes, self._product, *norm.values, self._features)
        self._above = torch.empty_like(self._features)
        self._pool_backward = processor.prepared(
            "pool_backward", *sizes, self._above, self._product, *norm.values, self._of_product, norm.slopes
        )  # fmt: skip
        parts = [self._stem, self._head, *norms.values()]
        parts += [matrix for block in self._blocks for matrix in block.matrices]
        self._gradients = [pair for part in parts for pair in part.gradients()]

    def _lay_out_slopes(self) -> None:
        """Gradients of the maps between blocks, two that take turns, and scratch memory in a block."""
        scratch = Scratch()
        for name in ("wide", "narrow", "product"):
            scratch.of(
                name, max((getattr(block, name) for block in self._blocks), key=Tensor.numel)
            )
        between = [maps for block in self._blocks for maps in (block.maps, block.output)]
        largest = max(between, key=Tensor.numel)
        for name in ("even", "odd"):
            scratch.of(name, largest)
        for number, block in enumerate(self._blocks):
            here, before = ("even", "odd") if number % 2 else ("odd", "even")
            block.prepare_backward(
                scratch, scratch.of(here, block.output), scratch.of(before, block.maps)
            )

    def forward(self, images: Tensor) -> Tensor:
        """Pooled activations (n, 1280)."""
        self.turn += 1
        processor.prepared("patches", *self._sizes, images, self._seen)()
        torch.mm(self._seen, self._stem.transposed, out=self._first)
        for block in self._blocks:
            block.forward()
        torch.mm(self._last, self._head.transposed, out=self._product)
        self._pool()
        return self._features.clone()

    def backward(self, slopes: Tensor) -> None:
        """Set the parameters' gradients from that of the pooled activations."""
        self._above.copy_(slopes)
        self._pool_backward()
        torch.mm(self._of_product.t(), self._last, out=self._head.slopes)
        torch.mm(self._of_product, self._head.values, out=self._blocks[-1].slopes)
        for block in reversed(self._blocks):
            block.backward()
        torch.mm(self._blocks[0].before.t(), self._seen, out=self._stem.slopes)
        for parameter, gradient in self._gradients:
            parameter.grad = gradient


class _Block:
    """Passes of one inverted bottleneck, from `maps` (pixels, inputs) to `output` (pixels after the stride, outputs).

    Where it does not expand, its maps are a product as well, before their norm, and there is no shortcut.
    """

    def __init__(self, module: MBConv, norms: tuple[Norm, Norm, Norm], sizes: Shape, maps: Tensor):
        self.maps, self._sizes, self._norms, self._shortcut = maps, sizes, norms, module.shortcut
        self._expand = Matrix(module._expand_conv) if module.expands else None
        self._kernel, self._project = (
            Matrix(module._depthwise_conv),
            Matrix(module._project_conv),
        )
        channels = sizes.channels
        self.wide = torch.empty(len(maps), channels) if module.expands else maps
        self.narrow = torch.empty(sizes.out_pixels, channels)
        self.product = torch.empty(sizes.out_pixels, len(self._project.values))
        self.output = torch.empty_like(self.product)
        self._depthwise = processor.prepared(
            "depthwise", *sizes, self.wide, *norms[0].values, self._kernel.values, *norms[1].values, self.narrow
        )  # fmt: skip
        others = len(maps) if module.shortcut else 0
        self._normalise = processor.prepared(
            "normalise", *self.product.shape, others, self.product, *norms[2].values, maps, self.output
        )  # fmt: skip

    @property
    def matrices(self) -> list[Matrix]:
        """All that has weights but the norms."""
        return [part for part in (self._expand, self._kernel, self._project) if part is not None]

    def prepare_backward(self, scratch: Scratch, slopes: Tensor, before: Tensor) -> None:
        """Take memory for gradients: of the output, of the maps, and what is shared."""
        self.slopes, self.before = slopes, before
        norm0, norm1, norm2 = self._norms
        self._of_product = scratch.of("product", self.product)
        self._of_narrow = scratch.of("narrow", self.narrow)
        self._of_wide = before if self._expand is None else scratch.of("wide", self.wide)
        self._normalise_backward = processor.prepared(
            "normalise_backward", *self.product.shape, slopes, self.product, *norm2.values, self._of_product,
            norm2.slopes,
        )  # fmt: skip
        self._depthwise_backward = processor.prepared(
            "depthwise_backward", *self._sizes, self.wide, *norm0.values, self._kernel.values, *norm1.values,
            self.narrow, self._of_narrow, self._of_wide, norm0.slopes, self._kernel.slopes, norm1.slopes,
        )  # fmt: skip

    def forward(self) -> None:
        """Write `output`."""
        if self._expand is not None:
            torch.mm(self.maps, self._expand.transposed, out=self.wide)
        self._depthwise()
        torch.mm(self.narrow, self._project.transposed, out=self.product)
        self._normalise()

    def backward(self) -> None:
        """From `slopes` write `before` and the gradients of all weights."""
        self._normalise_backward()
        torch.mm(self._of_product.t(), self.narrow, out=self._project.slopes)
        torch.mm(self._of_product, self._project.values, out=self._of_narrow)
        self._depthwise_backward()
        if self._expand is None:
            return
        torch.mm(self._of_wide.t(), self.maps, out=self._expand.slopes)
        if self._shortcut:
            torch.addmm(self.slopes, self._of_wide, self._expand.values, out=self.before)
        else:
            torch.mm(self._of_wide, self._expand.values, out=self.before)
