"""From a well's two projections to what the weights in use expect (specification, section 4).

The rule belongs to the weights, not to the architecture, and is recorded with every model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

CHANNELS = (0, 1, 0)  # red, green, blue = MIP, MID, MIP (published)


@dataclass(frozen=True)
class Preprocessing:
    """`(image * gain + offset - mean) / std` for an image in [0, 1] and channels (MIP, MID, MIP).

    `gain` is 1 divided by the intensity scale of the training data. `offset` 0.5 is the published
    "shift images". `mean` and `std` are those of the weights on the [0, 1] scale, in the order of the
    network's channels.
    """

    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    offset: float = 0.5
    gain: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """As plain values, for a model's sidecar."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Preprocessing:
        """Inverse of `to_json`."""
        return cls(
            name=str(content["name"]),
            mean=tuple(float(x) for x in content["mean"]),
            std=tuple(float(x) for x in content["std"]),
            offset=float(content["offset"]),
            gain=float(content["gain"]),
        )


STYLES = {
    # torchvision's weights: RGB, mean and standard deviation of ImageNet
    "torchvision": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # Keras' VGG weights ("caffe"): BGR on [0, 255], mean subtracted, no division. The channels
    # (MIP, MID, MIP) are symmetric, so the reversal changes the means' order only.
    "caffe": (
        (103.939 / 255, 116.779 / 255, 123.68 / 255),
        (1 / 255, 1 / 255, 1 / 255),
    ),
    # EfficientNet-lite: (x - 127) / 128 on [0, 255]
    "lite": ((127 / 255,) * 3, (128 / 255,) * 3),
    # networks of ours without pretrained weights
    "plain": ((0.5,) * 3, (0.25,) * 3),
}


def preprocessing(style: str, *, offset: float = 0.5, gain: float = 1.0) -> Preprocessing:
    """Pre-processing by the name a weight manifest gives: torchvision, caffe, lite or plain."""
    mean, std = STYLES[style]
    return Preprocessing(style, mean, std, offset, gain)


# which rule the pinned weights of each network expect; the weight manifest says the same, tested
WEIGHT_STYLES = {
    "vgg19": "torchvision",
    "vgg16": "torchvision",
    "resnet50": "torchvision",
    "efficientnet_lite0": "lite",
    "small": "plain",
}
