"""VGG16 and VGG19 (Simonyan and Zisserman 2015) with two outputs, parameter names as in torchvision.

As published for this assay (Berker et al. 2022): no dropout (torchvision's has 0.5), dense layers random,
all layers trainable. torchvision's indices stay because the dropout places hold identities.
"""

from __future__ import annotations

from torch import Tensor, nn

from exvivo.networks.layers import ConvReLU, average_to, glorot_linear

_BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """`features` (convolutions) and `classifier` (fc1, fc2, output)."""

    n_features = 4096

    def __init__(self, name: str, outputs: int = 2):
        super().__init__()
        self.features = nn.Sequential(*_convolutions(_BLOCKS[name]))
        self.classifier = nn.Sequential(
            glorot_linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Identity(),
            glorot_linear(4096, 4096),
            nn.ReLU(),
            nn.Identity(),
            glorot_linear(4096, outputs),
        )

    def forward_features(self, input: Tensor) -> Tensor:
        """Activations of fc2 after ReLU, (n, 4096), of images (n, 3, h, w)."""
        maps = self.features(input)
        if maps.shape[-2:] != (
            7,
            7,
        ):  # fc1 expects what 224² gives; other sizes are averaged, as torchvision does
            maps = average_to(maps, 7)
        return self.classifier[:6](maps.flatten(1))

    def head(self) -> nn.Linear:
        """The layer from features to logits."""
        return self.classifier[6]

    def forward(self, input: Tensor) -> Tensor:
        """Logits (n, 2) of images (n, 3, h, w)."""
        return self.head()(self.forward_features(input))


def _convolutions(blocks: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = 3
    for repeats, width in zip(blocks, _WIDTHS, strict=True):
        for i in range(repeats):
            # The places of torchvision's ReLU and pooling stay taken, so that its indices stay.
            last = i == repeats - 1
            layers += [ConvReLU(channels, width, 3, padding=1, pool=last), nn.Identity()]
            channels = width
        layers.append(nn.Identity())
    return layers
