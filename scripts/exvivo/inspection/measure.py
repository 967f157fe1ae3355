"""Numbers that describe one small image (MIP and MID of a field, raw grey values). All are ours.

Lengths are in shares of the image's side, so that the numbers mean the same at any input size; grey values stay
grey values, and are compared with those of the plate's other wells (`exvivo.inspection.checks`).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float64]
GAUSSIAN_MAD = (
    1.4826  # median absolute deviation of a normal distribution to its standard deviation
)
PIXEL = 1 / 224  # the finest scale, as a share of the side: one pixel of the usual image
TILES = 16  # the ground is looked for in 16 × 16 tiles
LEVELS = (
    0.25,
    0.35,
    0.45,
    0.55,
    0.65,
    0.75,
)  # of the brightest pixel, at which bright things are outlined
_NOISE_MARGIN = 3.0
LONG = 0.2  # of the side: shorter things are not asked whether they are a fibre


def measure_image(image: NDArray[np.float32]) -> dict[str, float]:
    """Describe the image (2, S, S), MIP and MID in grey values, of one field.

    Returns `ground` (grey value of the ground in the middle) and its rise across the field in `slope_x` and
    `slope_y`; `noise` (standard deviation between neighbouring pixels); `bright` (height of the brightest 0.5 % above
    the ground); `fine` (standard deviation of the finest structures) and `fine_corner` (the same in the
    quietest corner); `sharpness` (fine against coarse structures of MID); `off_centre` (of the light, in sides);
    `length` (of the longest thin bright thing over its width); `clump` (how bright, peaked and smooth the
    brightest coarse spot is).
    """
    mip = image[0].astype(np.float64)
    ground, slopes, level = find_ground(mip)
    light = mip - level
    first, second, coarse = (_blur(light, scale) for scale in (1, 2, 4))
    band = first - second
    return {
        "ground": ground,
        "slope_x": slopes[0],
        "slope_y": slopes[1],
        "noise": _noise(mip),
        "bright": float(np.quantile(first, 0.995)),
        "fine": float(band.std()),
        "fine_corner": _quietest_corner(band),
        "sharpness": _sharpness(image[1].astype(np.float64)),
        "off_centre": _off_centre(coarse),
        "length": _longest(first),
        "clump": _clump(coarse, band),
    }


def find_ground(mip: Image) -> tuple[float, tuple[float, float], Image]:
    """Fit a plane through the dark of the image (S, S): its middle, its rise across the field in x and y, itself.

    Tiles that lie above the plane, since there are cells in them, are left out step by step.
    """
    side = mip.shape[0]
    count = min(TILES, side)
    parts = [slice(*ends) for ends in pairwise(np.linspace(0, side, count + 1).astype(int))]
    tiles = [mip[rows, columns] for rows in parts for columns in parts]
    dark = np.array([np.quantile(tile, 0.2) for tile in tiles])
    x, y = np.meshgrid(*[(np.arange(count) + 0.5) / count - 0.5] * 2)
    terms = np.stack([np.ones(count * count), x.ravel(), y.ravel()], axis=1)
    keep = dark <= np.quantile(dark, 0.7)
    for _ in range(6):
        factors = np.linalg.lstsq(terms[keep], dark[keep], rcond=None)[0]
        rest = dark - terms @ factors
        spread = GAUSSIAN_MAD * np.median(np.abs(rest[keep] - np.median(rest[keep])))
        keep = rest <= max(2.0 * spread, 0.005 * abs(factors[0]))
        if keep.sum() < keep.size // 5:
            keep = rest <= np.quantile(rest, 0.25)
    x, y = np.meshgrid(*[(np.arange(side) + 0.5) / side - 0.5] * 2)
    plane = factors[0] + factors[1] * x + factors[2] * y
    return float(factors[0]), (float(factors[1]), float(factors[2])), plane


def _blur(image: Image, scale: float) -> Image:
    """Blur by a Gaussian of `scale` pixels of the usual image, in pixels of this one."""
    return ndimage.gaussian_filter(image, scale * PIXEL * image.shape[0])


def _noise(mip: Image) -> float:
    """From second differences along rows, which cells, being smooth, hardly enter."""
    difference = mip[:, 2:] - 2.0 * mip[:, 1:-1] + mip[:, :-2]
    return GAUSSIAN_MAD * float(np.median(np.abs(difference))) / np.sqrt(6.0)


def _quietest_corner(band: Image) -> float:
    """Fine structure in the quietest of the four corners, each a fifth of the side wide."""
    wide = max(band.shape[0] // 5, 1)
    ends = (slice(None, wide), slice(-wide, None))
    return float(min(band[rows, columns].std() for rows in ends for columns in ends))


def _sharpness(mid: Image) -> float:
    """Structures of about a pixel against those of about six: falls where the focus is missed.

    What noise alone would give is taken off threefold, since bright places have more of it than the ground.
    """
    first, second, fourth, eighth = (_blur(mid, scale) for scale in (1, 2, 4, 8))
    noise = _NOISE_MARGIN * _gain(mid.shape[0]) * _noise(mid) ** 2
    fine = max(float((first - second).var()) - noise, 0.0)
    return float(np.sqrt(fine) / max(float((fourth - eighth).std()), 1e-9))


@lru_cache(maxsize=4)
def _gain(side: int) -> float:
    """Variance of white noise of variance 1 in the finest band of an image of that side."""
    point = np.zeros((side, side))
    point[side // 2, side // 2] = 1.0
    return float(((_blur(point, 1) - _blur(point, 2)) ** 2).sum())


def _off_centre(coarse: Image) -> float:
    """Distance of the light's centre from the image's, in sides; of what is at least a fifth of the brightest."""
    bright = np.quantile(coarse, 0.99)
    weight = np.where(coarse > max(0.2 * bright, 0.0), coarse, 0.0)
    place = (np.arange(coarse.shape[0]) + 0.5) / coarse.shape[0] - 0.5
    total = max(float(weight.sum()), 1e-9)
    return float(np.hypot(weight.sum(axis=0) @ place / total, weight.sum(axis=1) @ place / total))


def _longest(light: Image) -> float:
    """Length over width of the most drawn-out bright thing, at any of some levels; 0 if none is long.

    For a straight bar of length L and width w: L / w. A round or a lacy thing has 2 to 8, a fibre more than 15.
    """
    side, highest, found = light.shape[0], float(light.max()), 0.0
    for level in LEVELS:
        labels, _ = ndimage.label(light > level * highest)
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            if max(part.stop - part.start for part in box) < LONG * side:
                continue
            places = np.stack(np.nonzero(labels[box] == number))
            extent = 12.0 * float(np.linalg.eigvalsh(np.cov(places))[-1])  # squared, of a bar
            if extent > (LONG * side) ** 2:
                found = max(found, extent / places.shape[1])
    return found


def _clump(coarse: Image, band: Image) -> float:
    """Brightness of the brightest coarse spot, weighted by how far it stands out and how smooth it is.

    Cells have texture, and many are about equally bright; a piece of dust is smooth and brighter than all.
    """
    top = float(coarse.max())
    others = max(float(np.quantile(coarse, 0.95)), 0.05 * abs(top), 1e-9)
    centred = coarse - coarse.mean()
    peaked = np.sqrt((centred**4).mean()) / max(float((centred**2).mean()), 1e-9)
    row, column = np.unravel_index(coarse.argmax(), coarse.shape)
    reach = max(round(6 * PIXEL * coarse.shape[0]), 1)
    around = band[
        max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1
    ]
    texture = max(float(around.std()) / max(top, 1e-9), 1e-4)
    return max(top, 0.0) ** 2 / others * float(peaked) / np.sqrt(texture)
