"""Random variation of training images, as published or without its fault (specification, section 5).

One affine warp (rotation · shift · zoom about the centre, bilinear, mirrored at the border), flips, and an
intensity factor. All draws of an epoch come at once from a counter-based generator keyed by seed, phase and
epoch, so that a resumed run draws the same numbers and no step waits for the host. The warp runs on the device.

`clean` multiplies the [0, 1] image before offset and normalisation. `legacy` reproduces Keras-Preprocessing
1.1.2, which rescales each normalised image to 8 bits between its minimum and maximum and never maps it back
(specification, trap 2).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from exvivo.networks.preprocessing import CHANNELS, STYLES, Preprocessing

ROTATION, SHIFT, ZOOM, BRIGHTNESS = 30.0, 0.1, 0.1, 0.5
_PARAMETERS = 8  # theta (degrees), row shift, column shift (pixels), zoom rows, zoom columns, flips h, v, factor


def draw(seed: int, phase: int, epoch: int, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Order and augmentation parameters of one epoch.

    Args:
        seed: of the run.
        phase: 1, 2 or 3.
        epoch: 1-based.
        count: training images.
        size: image side in pixels.

    Returns:
        order: (count,) int64, a permutation of the training images.
        parameters: (count, 8) float64 in the published order theta, row shift, column shift, row zoom,
            column zoom, horizontal flip, vertical flip, brightness; row i belongs to position i.

    """
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, phase, epoch])))
    order = generator.permutation(count)
    unit = generator.random((count, _PARAMETERS))
    parameters = np.empty_like(unit)
    parameters[:, 0] = ROTATION * (2 * unit[:, 0] - 1)
    parameters[:, 1:3] = SHIFT * size * (2 * unit[:, 1:3] - 1)
    parameters[:, 3:5] = 1 + ZOOM * (2 * unit[:, 3:5] - 1)
    parameters[:, 5:7] = unit[:, 5:7] < 0.5
    parameters[:, 7] = 1 + BRIGHTNESS * (2 * unit[:, 7] - 1)
    return order, parameters


def affine(parameters: np.ndarray, size: int) -> np.ndarray:
    """Output-to-input maps in pixels, flips included.

    Args:
        parameters: (n, 8) as from `draw`.
        size: image side; the centre lies at size / 2 + 0.5, as in Keras-Preprocessing 1.1.2.

    Returns:
        (n, 2, 3) float64: input (row, column) = map[:, :2] @ (row, column) + map[:, 2].

    """
    theta = np.deg2rad(parameters[:, 0])
    count = len(parameters)
    rotation, shift, zoom = (np.tile(np.eye(3), (count, 1, 1)) for _ in range(3))
    rotation[:, 0, 0] = rotation[:, 1, 1] = np.cos(theta)
    rotation[:, 0, 1], rotation[:, 1, 0] = -np.sin(theta), np.sin(theta)
    shift[:, :2, 2] = parameters[:, 1:3]
    zoom[:, 0, 0], zoom[:, 1, 1] = parameters[:, 3], parameters[:, 4]
    to_centre, back = np.eye(3), np.eye(3)
    to_centre[:2, 2], back[:2, 2] = -(size / 2 + 0.5), size / 2 + 0.5
    matrix = back @ rotation @ shift @ zoom @ to_centre
    # The flips follow the warp: output position i shows what the warp put at size - 1 - i.
    flip = np.tile(np.eye(3), (count, 1, 1))
    for axis, column in ((1, 5), (0, 6)):
        flipped = parameters[:, column] > 0.5
        flip[flipped, axis, axis], flip[flipped, axis, 2] = -1, size - 1
    return (matrix @ flip)[:, :2]


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Resample images bilinearly, mirrored beyond the border pixels (scipy's order 1, mode reflect).

    Args:
        images: (n, C, size, size).
        maps: (n, 2, 3) of the same type and device, from `affine`.

    Returns:
        Like `images`.

    """
    size = images.shape[-1]
    axis = torch.arange(size, device=images.device, dtype=images.dtype)
    rows, columns = axis[None, :, None], axis[None, None, :]
    m = maps[:, :, :, None, None]
    y = m[:, 0, 0] * rows + m[:, 0, 1] * columns + m[:, 0, 2]
    x = m[:, 1, 0] * rows + m[:, 1, 1] * columns + m[:, 1, 2]
    # grid_sample wants -1 and 1 at the outer edges of the border pixels (align_corners=False); its
    # reflection about those edges is scipy's "reflect".
    grid = torch.stack((x, y), dim=-1).mul(2).add(1).div(size).sub(1)
    return F.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def normalise(images: Tensor, rule: Preprocessing, factors: Tensor | None = None) -> Tensor:
    """Images (n, 2, h, w) in [0, 1] as the network's input (n, 3, h, w): channels MIP, MID, MIP.

    `factors` (n,) multiply the image before offset and normalisation (clean brightness). Constants enter as
    numbers, not as tensors: a tensor made here would be a copy from the host, which a CUDA graph forbids.
    """
    if factors is not None:
        images = images * factors[:, None, None, None]
    return torch.stack(
        [
            images[:, channel] * (rule.gain / std) + (rule.offset - mean) / std
            for channel, mean, std in zip(CHANNELS, rule.mean, rule.std, strict=True)
        ],
        dim=1,
    )


def augment_clean(images: Tensor, maps: Tensor, factors: Tensor, rule: Preprocessing) -> Tensor:
    """Warp, multiply, then normalise exactly as inference does.

    Args:
        images: (n, 2, h, w) in [0, 1].
        maps: (n, 2, 3) from `affine`.
        factors: (n,) brightness.
        rule: pre-processing of the weights in use.

    Returns:
        (n, 3, h, w) network input.

    """
    return normalise(warp(images, maps), rule, factors)


def augment_legacy(images: Tensor, maps: Tensor, factors: Tensor, rule: Preprocessing) -> Tensor:
    """Normalise as Keras' VGG does, warp, then Keras-Preprocessing 1.1.2's brightness.

    The result lies in [0, 255] whatever the image's intensity. For weights that want another scale than
    Keras' it is divided by 255 and by their standard deviation (ours; the published weights are Keras').

    Args and result as for `augment_clean`.
    """
    # Double precision: the 8-bit steps of the reference follow scipy's double coordinates.
    mean, std = STYLES["caffe"]
    caffe = Preprocessing("caffe", mean, std, rule.offset, rule.gain)
    warped = warp(normalise(images.double(), caffe), maps.double()).float()
    levels = brightness_8bit(warped, factors.float())
    return torch.stack([levels[:, i] / (255 * std) for i, std in enumerate(rule.std)], dim=1)


def brightness_8bit(images: Tensor, factors: Tensor) -> Tensor:
    """Per-image min–max rescale to whole numbers of [0, 255], times a factor, clipped and truncated.

    Args:
        images: (n, 3, h, w) float32, any range; minimum and maximum are taken over all channels.
        factors: (n,) float32.

    """
    low = images.amin((1, 2, 3), keepdim=True)
    shifted = images - low
    high = shifted.amax((1, 2, 3), keepdim=True)
    scaled = shifted / torch.where(high == 0, torch.ones_like(high), high) * 255
    return (scaled.trunc() * factors[:, None, None, None]).clamp(0, 255).trunc()


AUGMENT = {"clean": augment_clean, "legacy": augment_legacy}
