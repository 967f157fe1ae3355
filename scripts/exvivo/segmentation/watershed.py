"""`watershed`: nuclei from a nuclear stain, without training.

A field is thresholded (Otsu on the square root of the grey values, and locally, since nuclei differ in brightness), the
nuclei's usual size is estimated, and touching nuclei are told apart in two steps: by the level sets of the Laplacian
of a Gaussian, which falls between them, and by those of the distance from the outline, which narrows. In both the parts
that are most like ellipses are kept (`exvivo.segmentation.tree`) and grown to the outline by watershed.

The constants were chosen on 17 of the 35 annotated fields in ../shared/data/nuclei (even places of the sorted list).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from exvivo.segmentation.tree import Labels, Sizes, select_round

if TYPE_CHECKING:
    from exvivo.segmentation.settings import SegmentationSettings

Array = NDArray[np.floating]

_SMOOTH = 0.7  # px
_FLOOR = 0.6  # where between background and Otsu's threshold foreground begins …
_NOISE = 4.0  # … and at least so many standard deviations above the background
_LOCAL = 0.5  # how far the threshold rises towards the brightest place nearby, twice
_LAPLACE, _DISTANCE = 0.12, 0.08  # width of the filters, in diameters
_LEVELS, _LEVELS_2 = 24, 12
_SMALLEST, _SMALLEST_2, _LARGEST, _SPECK = 0.15, 0.1, 6.0, 0.1  # areas, in those of a usual nucleus


def watershed_nuclei(image: Array, settings: SegmentationSettings) -> Labels:
    """Label the nuclei of a field (H, W): 0 background, then 1, 2, …; none for a field without contrast."""
    from scipy import ndimage as ndi

    grey = ndi.gaussian_filter(np.asarray(image, np.float32), _SMOOTH)
    root = np.sqrt(np.maximum(grey - np.percentile(grey, 1), 0))
    if not root.max() > 0:
        return np.zeros(root.shape, np.int32)
    threshold = otsu(root)
    radius = settings.diameter_px / 2 or _usual_radius(root > threshold)
    mask = _foreground(root, threshold, radius)
    if not mask.any():
        return np.zeros(root.shape, np.int32)
    area = np.pi * radius**2
    nuclei = _by_brightness(
        root / threshold, mask, radius, Sizes(_SMALLEST * area, _LARGEST * area)
    )
    nuclei = _by_shape(nuclei, radius, Sizes(_SMALLEST_2 * area, _LARGEST * area))
    return _without_specks(nuclei, _SPECK * area)


def otsu(values: Array) -> float:
    """Otsu's threshold: where the two classes' means lie farthest apart for their sizes (256 bins)."""
    counts, edges = np.histogram(values, 256)
    middle = (edges[1:] + edges[:-1]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    low = np.cumsum(counts * middle) / np.maximum(below, 1)
    high = (np.cumsum((counts * middle)[::-1]) / np.maximum(above[::-1], 1))[::-1]
    between = below[:-1] * above[1:] * (low[:-1] - high[1:]) ** 2
    return float(middle[np.argmax(between)])


def _usual_radius(mask: NDArray[np.bool_]) -> float:
    """Radius that half of the nuclei's summed radii lie below: specks weigh little, clumps are not counted as one."""
    from scipy import ndimage as ndi

    distance = ndi.distance_transform_edt(ndi.binary_opening(mask))
    peaks = np.sort(distance[(ndi.maximum_filter(distance, 5) == distance) & (distance > 1.5)])
    if not len(peaks):
        return 5.0
    weight = np.cumsum(peaks)
    return max(2.5, float(peaks[np.searchsorted(weight, weight[-1] / 2)]))


def _foreground(root: Array, threshold: float, radius: float) -> NDArray[np.bool_]:
    from scipy import ndimage as ndi

    ground = root[root <= threshold]
    level = float(np.median(ground))
    noise = 1.4826 * float(np.median(np.abs(ground - level)))
    low = min(threshold, max(level + _FLOOR * (threshold - level), level + _NOISE * noise))
    nearby = ndi.gaussian_filter(ndi.maximum_filter(root, int(2 * radius) | 1), radius)
    mask = root > low + _LOCAL * np.maximum(nearby - low, 0) * 0.5
    return ndi.binary_opening(ndi.binary_fill_holes(mask))


def _by_brightness(root: Array, mask: NDArray[np.bool_], radius: float, sizes: Sizes) -> Labels:
    from scipy import ndimage as ndi
    from skimage.segmentation import watershed

    width = _LAPLACE * 2 * radius
    ridge = -ndi.gaussian_laplace(root, width) * width**2
    low, high = np.percentile(ridge[mask], [2, 99.5])
    levels = np.concatenate([[-np.inf], np.linspace(low, high, _LEVELS)])
    seeds = select_round(ridge, levels, mask, sizes)
    return watershed(-ridge, seeds, mask=mask).astype(np.int32)


def _by_shape(nuclei: Labels, radius: float, sizes: Sizes) -> Labels:
    from scipy import ndimage as ndi
    from skimage.segmentation import watershed

    outline = np.zeros(nuclei.shape, bool)
    outline[:, 1:] |= nuclei[:, 1:] != nuclei[:, :-1]
    outline[1:] |= nuclei[1:] != nuclei[:-1]
    inner = (nuclei > 0) & ~outline
    # Padded, so that a nucleus cut by the border is as deep there as it would be farther out.
    distance = ndi.distance_transform_edt(np.pad(inner, 1, mode="edge"))[1:-1, 1:-1]
    depth = ndi.gaussian_filter(distance, _DISTANCE * 2 * radius)
    levels = np.concatenate([[-np.inf], np.linspace(0.1 * radius, 1.6 * radius, _LEVELS_2)])
    seeds = select_round(depth, levels, inner, sizes)
    return watershed(-depth, seeds, mask=nuclei > 0).astype(np.int32)


def _without_specks(nuclei: Labels, smallest: float) -> Labels:
    """Without what is too small, unless the border cuts it; numbered anew."""
    area = np.bincount(nuclei.ravel())
    keep = area >= smallest
    for side in (nuclei[0], nuclei[-1], nuclei[:, 0], nuclei[:, -1]):
        keep[side] = True
    keep[0] = False
    keep &= area > 0
    return (np.cumsum(keep) * keep).astype(np.int32)[nuclei]
