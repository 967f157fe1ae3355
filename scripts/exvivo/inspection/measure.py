"""Numbers that describe one small image (MIP and MID of a field, raw grey values)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GAUSSIAN_MAD = (
    1.4826  # median absolute deviation of a normal distribution to its standard deviation
)


def measure_image(image: NDArray[np.float32], max_value: float) -> dict[str, float]:
    """The metrics of `exvivo.tables.IMAGE_QUALITY` of one field.

    Args:
        image: (2, S, S), MIP and MID as grey values.
        max_value: the largest value of the raw type.

    """
    mip = image[0].astype(np.float64)
    return {"ceiling": float((mip >= max_value).mean()), "signal": _signal(mip)}


def _signal(mip: NDArray[np.float64]) -> float:
    """Height of the brightest thousandth above the lower quartile, in standard deviations of the noise.

    The noise is that of second differences along rows, which cells, being smooth, hardly enter.
    """
    difference = mip[:, 2:] - 2.0 * mip[:, 1:-1] + mip[:, :-2]
    noise = GAUSSIAN_MAD * float(np.median(np.abs(difference))) / np.sqrt(6.0)
    low, high = np.quantile(mip, [0.25, 0.999])
    return float((high - low) / max(noise, 1e-9 + 1e-4 * abs(low)))
