"""Area averaging: each output pixel is the mean of the image over the area that it covers.

The image is taken as constant within each of its pixels, so the mean over any rectangle is an exact
sum. With 8- and 16-bit pixels and a rational ratio (2048 → 224 is 64/7) all partial areas are whole
numbers in units of 1/(7·7) pixel: the sums are integers, and only the last division and the cast to
float32 round. DESIGN.md, section 6: area averaging in float, before the division by the
dtype's maximum; non-square images centre-cropped.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

from exvivo.errors import ConfigError, PlateError

# Up to this step the sum of `step` 16-bit rows fits in 32 bits, and that of step² pixels is exact in float64.
_LARGEST_STEP = 2**16


def centre_square(image: NDArray) -> NDArray:
    """Return the central square of `image` (H, W) as a view of side min(H, W).

    An odd surplus leaves one more row or column at the end than at the start.
    """
    height, width = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def area_average(image: NDArray, size: int) -> NDArray[np.float32]:
    """Return the square `image` (side, side) averaged over areas to (size, size), float32, same scale.

    `size` may be larger than the side: then several output pixels lie in one input pixel and carry its
    value, with area-weighted values where they straddle two. Raises `ConfigError` for a size below 1 and
    `PlateError` for an image that is not square or empty.
    """
    if size < 1:
        raise ConfigError(
            "the input size must be a positive number of pixels",
            expected="a whole number of at least 1",
            found=str(size),
            where="imaging: input_size",
        )
    if image.ndim != 2 or image.shape[0] != image.shape[1] or not image.size:
        raise PlateError("only a square image can be averaged", found=f"shape {image.shape}")
    side = image.shape[0]
    common = gcd(side, size)
    step, unit = side // common, size // common  # an output pixel covers step/unit input pixels
    row_type, column_type = _sum_types(image.dtype, step)
    rows = _sum_rows(image, size, step, unit, row_type)
    both = _sum_columns(rows, size, step, unit, column_type)
    return (both / float(step * step)).astype(np.float32)


def _sum_types(dtype: np.dtype, step: int) -> tuple[np.dtype, np.dtype]:
    """Return the smallest types that hold the sums of `step` rows, and of `step` columns of those.

    Unsigned sums may wrap on the way (running sums do): what counts is that each result fits.
    """
    if dtype.kind != "u" or dtype.itemsize > 2 or step > _LARGEST_STEP:
        return np.dtype(np.float64), np.dtype(np.float64)
    narrow = 65535 * step * step < 2**32
    return np.dtype(np.uint32), np.dtype(np.uint32 if narrow else np.uint64)


def _edges(size: int, step: int, unit: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the size + 1 output edges lie: whole input pixels, and 1/unit pixels beyond."""
    edges = np.arange(size + 1, dtype=np.int64) * step
    return edges // unit, edges % unit


def _sum_rows(image: NDArray, size: int, step: int, unit: int, dtype: np.dtype) -> NDArray:
    """Sum the rows under each of `size` output rows, in units of 1/unit row: (size, W) of `dtype`.

    The way in which output rows cover input rows repeats every `step` input rows, so all repetitions are
    done at once.
    """
    common, width = size // unit, image.shape[1]
    groups = image.reshape(common, step, width)
    first, part = _edges(unit, step, unit)
    sums = np.empty((common, unit, width), dtype=dtype)
    for row in range(unit):
        span = groups[:, first[row] : first[row + 1]]
        np.add.reduce(span, axis=1, dtype=dtype, out=sums[:, row])
    sums *= dtype.type(unit)
    for row in range(1, unit):
        # The input row at this edge belongs to the output row before by `part`.
        shared = np.multiply(groups[:, first[row]], dtype.type(part[row]), dtype=dtype)
        sums[:, row - 1] += shared
        sums[:, row] -= shared
    return sums.reshape(size, width)


def _sum_columns(rows: NDArray, size: int, step: int, unit: int, dtype: np.dtype) -> NDArray:
    """Sum the columns under each output column by differences of the running sum: (H, size)."""
    first, part = _edges(size, step, unit)
    height, width = rows.shape
    running = np.zeros((height, width + 1), dtype=dtype)
    np.cumsum(rows, axis=1, dtype=dtype, out=running[:, 1:])
    last = np.minimum(first, width - 1)  # the end edge has no column and needs none: its part is 0
    at_edge = running[:, first] * dtype.type(unit) + rows[:, last] * part.astype(dtype)
    return np.diff(at_edge, axis=1)
