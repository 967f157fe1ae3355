"""A small network of ours, for tests and quick looks on a CPU; it has no pretrained weights."""

from __future__ import annotations

from torch import Tensor, nn

from exvivo.networks.layers import ConvReLU, glorot_linear

_WIDTHS = (16, 32, 64, 128)


class Small(nn.Module):
    """Four 3×3 convolutions of stride 2, global mean, one dense layer: 0.1 M parameters, any input size."""

    n_features = _WIDTHS[-1]

    def __init__(self, outputs: int = 2):
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, width in zip((3, *_WIDTHS), _WIDTHS, strict=False):
            conv = ConvReLU(inputs, width, 3, 2, 1)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)
            layers += [conv, nn.Identity()]
        self.features = nn.Sequential(*layers)
        self.classifier = glorot_linear(_WIDTHS[-1], outputs)

    def forward_features(self, input: Tensor) -> Tensor:
        """Pooled activations (n, 128) of images (n, 3, h, w)."""
        return self.features(input).mean((2, 3))

    def head(self) -> nn.Linear:
        """The layer from features to logits."""
        return self.classifier

    def forward(self, input: Tensor) -> Tensor:
        """Logits (n, 2) of images (n, 3, h, w)."""
        return self.head()(self.forward_features(input))
