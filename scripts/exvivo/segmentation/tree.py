"""The roundest parts of an image among all its level sets: a tree of components, cut where objects are most like ellipses.

A level set of an image falls into components; at a higher level each falls into smaller ones, or vanishes. Going down
the tree, a component is one object if it is more like an ellipse than what it falls into, and several if those are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]
_TOO_LARGE = 0.2  # weight of a component that is larger than any object


@dataclass(frozen=True, slots=True)
class Sizes:
    """Areas in pixels between which an object lies."""

    smallest: float
    largest: float


def roundness(labels: Labels, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Area of each label (0 to `count`), and its share of the ellipse with the same moments: 1 for an ellipse."""
    at = np.flatnonzero(labels)
    own = labels.ravel()[at]
    y, x = (part.astype(np.float64) for part in np.divmod(at, labels.shape[1]))
    area = np.bincount(own, minlength=count + 1).astype(np.float64)
    known = np.maximum(area, 1)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(own, values, minlength=count + 1) / known

    my, mx = mean(y), mean(x)
    dy, dx = y - my[own], x - mx[own]
    pixel = 1 / 12  # a pixel is a square, not a point
    vyy, vxx, vxy = mean(dy * dy) + pixel, mean(dx * dx) + pixel, mean(dy * dx)
    ellipse = 4 * np.pi * np.sqrt(np.maximum(vyy * vxx - vxy * vxy, 1e-12))
    return area, np.where(area > 0, area / ellipse, 0.0)


def select_round(
    image: NDArray[np.floating], levels: NDArray[np.floating], mask: NDArray[np.bool_], sizes: Sizes
) -> Labels:
    """Label the components of the level sets of `image` within `mask` that are most like ellipses; none overlap.

    `levels` rise; the first should lie below all of the image, so that `mask` itself is the root.
    """
    from scipy import ndimage as ndi

    labels: list[Labels] = []
    values, parents = [], []
    for level in levels:
        found, count = ndi.label((image > level) & mask)
        if labels:
            parents.append(_parents(found, count, labels[-1]))
        labels.append(found)
        values.append(_worth(found, count, sizes))
    return _union(labels, _cut(values, parents))


def _worth(labels: Labels, count: int, sizes: Sizes) -> NDArray[np.float64]:
    """What each component is worth: its roundness squared, nothing for a speck, little for what is too large."""
    area, shape = roundness(labels, count)
    return shape**2 * (area >= sizes.smallest) * np.where(area > sizes.largest, _TOO_LARGE, 1.0)


def _parents(labels: Labels, count: int, lower: Labels) -> NDArray[np.int64]:
    somewhere = np.zeros(count + 1, np.int64)
    somewhere[labels.ravel()] = np.arange(labels.size)
    return lower.ravel()[somewhere].astype(np.int64)


def _cut(
    values: list[NDArray[np.float64]], parents: list[NDArray[np.int64]]
) -> list[NDArray[np.bool_]]:
    """From the highest level down: whether each component is worth as much as the mean of its best parts."""
    best = values[-1].copy()
    keep = [best > 0]
    for own, parent in zip(values[-2::-1], parents[::-1], strict=True):
        alive = best > 0
        total = np.bincount(parent[alive], best[alive], minlength=len(own))
        number = np.bincount(parent[alive], minlength=len(own))
        parts = np.where(number > 0, total / np.maximum(number, 1), 0.0)
        take = (own > 0) & ((number == 0) | (own >= parts))
        keep.append(take)
        best = np.where(take, own, parts)
        best[0] = 0
    return keep[::-1]


def _union(labels: list[Labels], keep: list[NDArray[np.bool_]]) -> Labels:
    """The kept components, of each branch the lowest."""
    out = np.zeros(labels[0].shape, np.int32)
    count = 0
    for found, wanted in zip(labels, keep, strict=True):
        take = wanted.copy()
        take[0] = False
        take[np.unique(found[out > 0])] = False
        number = (np.cumsum(take) * take).astype(np.int32)
        chosen = number[found]
        out = np.where(chosen > 0, chosen + count, out)
        count += int(take.sum())
    return out
