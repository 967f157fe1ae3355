"""What a plain look at a well's two images tells: brightness, size, shape, texture, focus. No network.

The numbers need not be good at anything but telling wells with different contents apart. All are taken of
the image on a scale of its own background and spread, or as logarithms, so that stain and lamp matter little.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from exvivo.quality.ranks import normal_scores

Array = NDArray[np.float64]

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.97, 0.995)
_SCALES = (0.7, 1.4, 2.8, 5.6, 11.2)  # pixels of a 128-pixel image, times its size / 128
_RINGS = 6
_TINY = 1e-9


def well_features(images: NDArray[np.floating], wells: Sequence[str]) -> tuple[list[str], Array]:
    """Features (w, f) of the wells that `images` (n, 2, S, S; MIP and MID, any linear scale) show.

    `wells` names the well of each image; several fields of a well are averaged. Returns the wells in
    their order of appearance beside the features.
    """
    each = np.array([_of_image(image) for image in images])
    names = list(dict.fromkeys(wells))
    places = {name: i for i, name in enumerate(names)}
    index = np.array([places[well] for well in wells], dtype=int)
    sums = np.zeros((len(names), each.shape[1] if len(each) else 0))
    np.add.at(sums, index, each)
    return names, sums / np.maximum(np.bincount(index, minlength=len(names)), 1)[:, None]


def _of_image(image: NDArray[np.floating]) -> Array:
    projection, plane = np.asarray(image, dtype=np.float64)
    return np.concatenate(
        [_brightness(projection), _brightness(plane), _texture(projection), _shape(projection)]
    )


def _brightness(image: Array) -> Array:
    """Quantiles on the log scale relative to the lowest, the mean, and how skewed the grey values are."""
    low, *rest = np.log(np.maximum(np.quantile(image, _QUANTILES), _TINY))
    mean = np.log(max(float(image.mean()), _TINY))
    spread = float(image.std())
    skew = float(((image - image.mean()) ** 3).mean()) / max(spread, _TINY) ** 3
    return np.array([low, *(value - low for value in rest), mean - low, np.log1p(max(skew, 0.0))])


def _texture(image: Array) -> Array:
    """Log energy between neighbouring scales of blur, relative to the whole variance."""
    factor = image.shape[-1] / 128
    blurred = [image, *(ndimage.gaussian_filter(image, scale * factor) for scale in _SCALES)]
    total = max(float(image.var()), _TINY)
    bands = [float((a - b).var()) for a, b in pairwise(blurred)]
    return np.log(np.maximum(np.array(bands) / total, _TINY))


def _shape(image: Array) -> Array:
    """Where the light above the background lies: rings about its centre, its radius, and its share of the area."""
    light = np.maximum(image - np.quantile(image, 0.25), 0.0)
    total = max(float(light.sum()), _TINY)
    y, x = np.indices(image.shape)
    cy, cx = (light * y).sum() / total, (light * x).sum() / total
    distance = np.hypot(y - cy, x - cx) / (image.shape[-1] / 2)
    ring = np.minimum((distance * _RINGS).astype(int), _RINGS - 1)
    shares = np.bincount(ring.ravel(), light.ravel(), minlength=_RINGS) / total
    radius = float((light * distance).sum() / total)
    smooth = ndimage.gaussian_filter(light, image.shape[-1] / 64)
    area = float((smooth > smooth.max() / 3).mean())
    return np.array([*np.log(shares[:-1] + 1e-3), radius, np.log(area + 1e-4)])


def principal(features: Array, count: int = 8) -> Array:
    """The first `count` principal components (n, c) of standardised features, each as normal scores.

    Features without spread are left out. Ranks keep a few odd wells from deciding anything.
    """
    middle = np.median(features, axis=0)
    spread = 1.4826 * np.median(np.abs(features - middle), axis=0)
    fallback = features.std(axis=0)
    spread = np.where(spread > 1e-6 * (fallback + _TINY), spread, fallback)
    kept = spread > _TINY
    scaled = np.clip((features[:, kept] - middle[kept]) / spread[kept], -5.0, 5.0)
    scaled = scaled - scaled.mean(axis=0)
    if scaled.shape[1] > 1:
        left, singular, _ = np.linalg.svd(scaled, full_matrices=False)
        keep = singular > 1e-6 * singular[0]
        scaled = (left * singular)[:, keep][:, :count]
    return normal_scores(scaled)
