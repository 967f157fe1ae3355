"""Network architectures, their weights, pre-processing and training recipes; no data, no loops.

Imports torch only; the weight manifest is read when it is asked for.
"""

from __future__ import annotations

import torch
from torch import nn

from exvivo.errors import ConfigError
from exvivo.networks.efficientnet import EfficientNetLite0
from exvivo.networks.preprocessing import Preprocessing, preprocessing
from exvivo.networks.recipes import PHASES, Recipe, recipe, recipe_from_settings
from exvivo.networks.resnet import ResNet50
from exvivo.networks.small import Small
from exvivo.networks.vgg import VGG

__all__ = [
    "NETWORKS",
    "PHASES",
    "Preprocessing",
    "Recipe",
    "build",
    "parameter_count",
    "preprocessing",
    "recipe",
    "recipe_from_settings",
]

NETWORKS = ("vgg19", "vgg16", "resnet50", "efficientnet_lite0", "small")


def build(name: str, *, seed: int) -> nn.Module:
    """A network by name with two outputs (0 positive-control class, 1 negative-control class).

    Every parameter is random, drawn from `seed` alone; the caller's random state is untouched.
    `exvivo.networks.weights.load_imagenet` then replaces the pretrained part.

    Raises:
        ConfigError: there is no network of this name.

    """
    if name not in NETWORKS:
        raise ConfigError(
            "there is no such network", expected=", ".join(NETWORKS), found=name, where="network"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name in ("vgg16", "vgg19"):
            return VGG(name)
        return {"resnet50": ResNet50, "efficientnet_lite0": EfficientNetLite0, "small": Small}[
            name
        ]()


def parameter_count(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
