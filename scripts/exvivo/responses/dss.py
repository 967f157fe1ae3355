"""Drug sensitivity scores from curve parameters.

DSS_asym (Berker et al. 2022, iTReX) is the area between curve and activity threshold over the tested log10
doses, as a share of the largest possible one, halved. DSS types 1 to 3 (Yadav et al. 2014) beside it: by the
same grid for any curve, and in closed form for a four-parameter curve that starts at zero.
Curves are arrays (..., 5), see `exvivo.responses.curve`; doses are log10 nM; scores and thresholds percent.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exvivo.responses.curve import evaluate, grid, signed_slope

Array = NDArray[np.float64]
Threshold = float | Literal["variable"]


def activity_threshold(parameters: Array, threshold: Threshold = "variable") -> Array:
    """Inhibition in percent (...,) above which a curve counts.

    `variable` is 10 % of the fitted maximum, which is taken as at least 100 and at most 110 %.
    """
    highest = 100.0 * np.maximum(parameters[..., 0], parameters[..., 1])
    if threshold == "variable":
        return 0.1 * np.clip(highest, 100.0, 110.0)
    return np.full_like(highest, float(threshold))


def area(parameters: Array, min_x: ArrayLike, max_x: ArrayLike, threshold: ArrayLike) -> Array:
    """Area (...,) of inhibition in percent above `threshold` over log10 dose, by 200 trapezoid points.

    A curve whose inhibition falls with dose counts as flat at its value for the highest dose.
    """
    x = grid(min_x, max_x)
    y = 100.0 * evaluate(parameters, x)
    y = np.where((signed_slope(parameters) < 0)[..., None], y[..., -1:], y)
    excess = np.where(np.isnan(y), np.nan, np.maximum(y - np.asarray(threshold)[..., None], 0.0))
    return np.trapezoid(excess, x, axis=-1)


def dss_asym(
    parameters: Array, min_x: ArrayLike, max_x: ArrayLike, threshold: Threshold = "variable"
) -> Array:
    """DSS_asym (...,), 0 to about 50 and more where a fit exceeds 100 %: half of DSS type 1."""
    return 0.5 * dss_types(parameters, min_x, max_x, threshold)[..., 0]


def dss_types(
    parameters: Array, min_x: ArrayLike, max_x: ArrayLike, threshold: Threshold = "variable"
) -> Array:
    """DSS types 1, 2 and 3 (..., 3) of any curve, as iTReX computes them from its own fits.

    Type 2 divides by log10 of the upper asymptote; type 3 multiplies type 2 by twice the share of the dose
    range in which the curve is above the threshold.
    """
    limit = activity_threshold(parameters, threshold)
    span = np.asarray(max_x, dtype=float) - min_x
    first = 100.0 * area(parameters, min_x, max_x, limit) / ((100.0 - limit) * span)
    highest = 100.0 * np.maximum(parameters[..., 0], parameters[..., 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        second = np.where(first > 0, first / np.log10(highest), first)
    share = _active_share(parameters, min_x, max_x, limit)
    third = np.where(first > 0, 2.0 * second * share, first)
    return np.stack([first, second, third], axis=-1)


def _active_share(parameters: Array, min_x: ArrayLike, max_x: ArrayLike, threshold: Array) -> Array:
    """Share (...,) of the tested log10 doses beyond the one where the curve crosses the threshold.

    As published the crossing is that of the curve with its asymptotes in rising order, which for a fit with
    swapped asymptotes is not quite the curve itself.
    """
    low, high = np.sort(100.0 * parameters[..., :2], axis=-1).T
    slope, asymmetry = signed_slope(parameters), parameters[..., 4]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = ((high - low) / (threshold - low)) ** (1.0 / asymmetry)
        crossing = parameters[..., 2] - np.log10(ratio - 1.0) / slope
    start = np.where((low >= threshold) | (slope < 0), -np.inf, crossing)
    start = np.clip(start, min_x, max_x)
    return (max_x - start) / (np.asarray(max_x, dtype=float) - min_x)


def closed_form_dss(
    ic50: ArrayLike,
    slope: ArrayLike,
    top: ArrayLike,
    min_concentration: ArrayLike,
    max_concentration: ArrayLike,
    threshold: ArrayLike = 10.0,
) -> Array:
    """DSS types 1, 2 and 3 (..., 3) of y = top / (1 + (ic50 / dose)^slope) by the exact integral.

    `top` and `threshold` in percent, doses in one unit. `top` above 100 counts as 100, the sign of `slope`
    not at all. The conventions are those of Breeze (Potdar et al. 2020): 0 where the IC50 is at or beyond
    the highest dose, where the curve stays below the threshold, or where the slope is 0; a type 2 beyond 50
    is 0.
    """
    ic50, slope, top, low, high, limit = np.broadcast_arrays(
        ic50, np.abs(slope), np.minimum(top, 100.0), min_concentration, max_concentration, threshold
    )
    c, x0, x2 = np.log10(ic50), np.log10(low), np.log10(high)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        crossing = c - np.log10((top - limit) / limit) / slope
        x1 = np.clip(crossing, x0, x2)
        total = _antiderivative(x2, c, slope, top) - _antiderivative(x1, c, slope, top)
        first = 100.0 * (total - limit * (x2 - x1)) / ((x2 - x0) * (100.0 - limit))
        second = first / np.log10(top)
        third = second * 2.0 * (x2 - x1) / (x2 - x0)
        second = np.where(second > 50.0, 0.0, second)
    active = (ic50 < high) & (top > limit) & (slope > 0)
    return np.where(active[..., None], np.stack([first, second, third], axis=-1), 0.0)


def _antiderivative(x: Array, c: Array, slope: Array, top: Array) -> Array:
    """Integral of top / (1 + 10^(slope (c - x))) over x, in the form that cannot overflow."""
    return top * (x + np.logaddexp2(0.0, slope * (c - x) * np.log2(10.0)) * np.log10(2.0) / slope)
