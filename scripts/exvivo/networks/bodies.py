"""Networks for crops made of a list of layers: the published search space, and what is drawn from it.

Heinemann et al. 2022, Methods: an image input, a body of up to 25 layers of nine types, then a dense layer of two
outputs. The ranges are the published ones; how numbers are drawn (uniform whole numbers) and what the paper leaves
open (dropout 0.5, leaky scale 0.01, pooling without padding: the defaults of the authors' software) is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from exvivo.errors import ConfigError

MAX_LAYERS = 25
# Published types and ranges, both ends included.
SPACE: dict[str, dict[str, tuple[int, int]]] = {
    "conv": {"filter": (3, 10), "stride": (1, 3), "padding": (0, 2), "filters": (5, 100)},
    "dense": {"nodes": (4, 100)},
    "relu": {},
    "leaky_relu": {},
    "batch_norm": {},
    "cross_channel_norm": {"window": (1, 5)},
    "dropout": {},
    "average_pool": {"window": (1, 5), "stride": (1, 3)},
    "max_pool": {"window": (1, 5), "stride": (1, 3)},
}


@dataclass(frozen=True)
class Layer:
    """One layer: a type of `SPACE` and its numbers."""

    kind: str
    numbers: dict[str, int] = field(default_factory=dict)


class Body(nn.Module):
    """The layers of a list, then a dense layer with two outputs.

    Args:
        layers: of the body, in order.
        channels, size: of the input, (n, channels, size, size).
        latent: 0-based place in `layers` of the layer whose output are the features; None for the last one.

    Raises:
        ConfigError: a layer does not fit what comes before it: a window larger than the image, a convolution after a
            dense layer.

    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        channels: int = 2,
        size: int = 20,
        latent: int | None = None,
        outputs: int = 2,
    ):
        super().__init__()
        shape: tuple[int, ...] = (channels, size, size)
        modules, widths = [], []
        for place, layer in enumerate(layers):
            module, shape = _module(layer, shape, place)
            modules.append(module)
            widths.append(int(np.prod(shape)))
        self.layers = nn.ModuleList(modules)
        self.latent = len(modules) - 1 if latent is None else latent
        self.n_features = widths[self.latent] if widths else channels * size * size
        self.classifier = _dense(int(np.prod(shape)), outputs)

    def forward_features(self, input: Tensor) -> Tensor:
        """Activations (n, n_features) of the latent layer for images (n, C, S, S)."""
        return self._through(input, 0, self.latent + 1).flatten(1)

    def from_features(self, features: Tensor) -> Tensor:
        """Logits (n, 2) from the activations of the latent layer, where that is a dense one or the last."""
        return self.classifier(
            self._through(features, self.latent + 1, len(self.layers)).flatten(1)
        )

    def forward(self, input: Tensor) -> Tensor:
        """Logits (n, 2) of images (n, C, S, S)."""
        return self.classifier(self._through(input, 0, len(self.layers)).flatten(1))

    def _through(self, value: Tensor, first: int, stop: int) -> Tensor:
        for module in self.layers[first:stop]:
            value = module(value)
        return value


def draw_layers(rng: np.random.Generator, max_layers: int = MAX_LAYERS) -> list[Layer]:
    """Draw a random body: 1 to `max_layers` layers, all nine types equally likely. It need not be valid."""
    kinds = list(SPACE)
    chosen = rng.integers(0, len(kinds), int(rng.integers(1, max_layers + 1)))
    return [
        Layer(kinds[i], {n: int(rng.integers(a, b + 1)) for n, (a, b) in SPACE[kinds[i]].items()})
        for i in chosen
    ]


def is_valid(layers: Sequence[Layer], *, channels: int = 2, size: int = 20) -> bool:
    """Whether the layers fit each other; nothing is allocated."""
    shape: tuple[int, ...] = (channels, size, size)
    try:
        for place, layer in enumerate(layers):
            shape = _shape_after(layer, shape, place)
    except ConfigError:
        return False
    return True


def check_in_space(layers: Sequence[Layer]) -> None:
    """Raise `ConfigError` unless every layer is of a published type with published numbers."""
    for place, layer in enumerate(layers):
        ranges = SPACE.get(layer.kind)
        if ranges is None or set(ranges) != set(layer.numbers):
            raise _misfit(layer, place, f"one of {', '.join(SPACE)} with its own numbers")
        for name, (low, high) in ranges.items():
            if not low <= layer.numbers[name] <= high:
                raise _misfit(layer, place, f"{name} from {low} to {high}")


def _shape_after(layer: Layer, shape: tuple[int, ...], place: int) -> tuple[int, ...]:
    numbers = layer.numbers
    if layer.kind == "dense":
        return (numbers["nodes"],)
    spatial = layer.kind in ("conv", "average_pool", "max_pool", "cross_channel_norm")
    if not spatial:
        return shape
    if len(shape) != 3:
        raise _misfit(layer, place, "an image: the layer before is dense")
    if layer.kind == "cross_channel_norm":
        return shape
    window = numbers.get("filter", numbers.get("window", 1))
    side = (shape[1] + 2 * numbers.get("padding", 0) - window) // numbers["stride"] + 1
    if shape[1] + 2 * numbers.get("padding", 0) < window:
        raise _misfit(layer, place, f"a window of at most {shape[1]} pixels")
    return (numbers.get("filters", shape[0]), side, side)


def _module(layer: Layer, shape: tuple[int, ...], place: int) -> tuple[nn.Module, tuple[int, ...]]:
    after = _shape_after(layer, shape, place)
    numbers = layer.numbers
    if layer.kind == "conv":
        conv = nn.Conv2d(
            shape[0], after[0], numbers["filter"], numbers["stride"], numbers["padding"]
        )
        return _start(conv), after
    if layer.kind == "dense":
        return nn.Sequential(nn.Flatten(), _dense(int(np.prod(shape)), numbers["nodes"])), after
    if layer.kind == "batch_norm":
        norm = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        return norm(shape[0]), after
    window, stride = numbers.get("window", 1), numbers.get("stride", 1)
    plain = {
        "relu": nn.ReLU,
        "leaky_relu": lambda: nn.LeakyReLU(0.01),
        "dropout": lambda: nn.Dropout(0.5),
        "cross_channel_norm": lambda: nn.LocalResponseNorm(window, 1e-4, 0.75, 2.0),
        "average_pool": lambda: nn.AvgPool2d(window, stride),
        "max_pool": lambda: nn.MaxPool2d(window, stride),
    }
    if layer.kind not in plain:
        raise _misfit(layer, place, ", ".join(SPACE))
    return plain[layer.kind](), after


def _dense(inputs: int, outputs: int) -> nn.Linear:
    return _start(nn.Linear(inputs, outputs))


def _start(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """Glorot-uniform weights and no bias, as the authors' software starts them."""
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _misfit(layer: Layer, place: int, expected: str) -> ConfigError:
    numbers = ", ".join(f"{name} {value}" for name, value in layer.numbers.items())
    return ConfigError(
        "this layer does not fit",
        expected=expected,
        found=f"{layer.kind} {numbers}".strip(),
        where=f"layer {place + 1} of the body",
    )


def weight_count(layers: Sequence[Layer], **shape: int) -> int:
    """Trainable parameters of the network of these layers. Raises `ConfigError` if they do not fit."""
    with torch.device("meta"):
        return sum(p.numel() for p in Body(layers, **shape).parameters())
