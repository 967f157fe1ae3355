"""ResNet-50 (He et al. 2016, stride on the 3×3 convolution) with two outputs, names as in torchvision."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from exvivo.networks.layers import FrozenBatchNorm2d, conv_norm, glorot_linear


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 convolutions beside a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = FrozenBatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = FrozenBatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = FrozenBatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), FrozenBatchNorm2d(outputs)
            )

    def forward(self, input: Tensor) -> Tensor:
        """Map (n, C, h, w) to (n, 4 × width, h / stride, w / stride)."""
        shortcut = input
        if self.downsample is not None:
            shortcut = conv_norm(self.downsample[0], self.downsample[1], input)
        maps = F.relu(conv_norm(self.conv1, self.bn1, input))
        maps = F.relu(conv_norm(self.conv2, self.bn2, maps))
        return F.relu(conv_norm(self.conv3, self.bn3, maps) + shortcut)


class ResNet50(nn.Module):
    """Features are the 2048 globally pooled activations."""

    n_features = 2048

    def __init__(self, outputs: int = 2):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = FrozenBatchNorm2d(64)
        self.layer1 = _stage(64, 64, 3, 1)
        self.layer2 = _stage(256, 128, 4, 2)
        self.layer3 = _stage(512, 256, 6, 2)
        self.layer4 = _stage(1024, 512, 3, 2)
        self.fc = glorot_linear(2048, outputs)

    def forward_features(self, input: Tensor) -> Tensor:
        """Pooled activations (n, 2048) of images (n, 3, h, w)."""
        maps = F.max_pool2d(F.relu(conv_norm(self.conv1, self.bn1, input)), 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps = stage(maps)
        return maps.mean((2, 3))

    def head(self) -> nn.Linear:
        """The layer from features to logits."""
        return self.fc

    def forward(self, input: Tensor) -> Tensor:
        """Logits (n, 2) of images (n, 3, h, w)."""
        return self.head()(self.forward_features(input))


def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(inputs, width, stride)
    return nn.Sequential(first, *(Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)))
