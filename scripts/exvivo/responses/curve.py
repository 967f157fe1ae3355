"""The five-parameter logistic curve and what can be read off it.

y(x) = B + (T - B) / [1 + 10^(b (m - x))]^s, with x = log10 of the dose in nM and y the inhibition as a
fraction. Parameters always travel as an array whose last axis is (B, T, m, b, s) = (bottom, top, x_mid,
slope, asymmetry): Richards (1959) as used by nplr and iTReX. All functions are vectorised over curves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

PARAMETERS = ("bottom", "top", "x_mid", "slope", "asymmetry")
GRID_POINTS = 200  # of the drawn curve; scores are integrals over this grid (Berker et al. 2022)

Array = NDArray[np.float64]


def evaluate(parameters: Array, x: ArrayLike) -> Array:
    """Inhibition (fraction) of curves (..., 5) at `x` = log10 nM (..., n); returns (..., n).

    Overflow of a steep curve far from its middle is meant: it gives the asymptote.
    """
    bottom, top, x_mid, slope, asymmetry = (
        np.asarray(parameters)[..., i, None] for i in range(len(PARAMETERS))
    )
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        base = 1.0 + 10.0 ** (slope * (x_mid - np.asarray(x)))
        return bottom + (top - bottom) / base**asymmetry


def grid(min_x: ArrayLike, max_x: ArrayLike) -> Array:
    """The 200 equally spaced log10 doses from `min_x` to `max_x` (...,); returns (..., 200)."""
    return np.linspace(min_x, max_x, GRID_POINTS, axis=-1)


def goodness(y: Array, fitted: Array) -> Array:
    """GOF = max(0, 1 - SS_res / SS_tot), unweighted, over the last axis; missing if `y` is constant."""
    residual = np.sum((y - fitted) ** 2, axis=-1)
    total = np.sum((y - y.mean(axis=-1, keepdims=True)) ** 2, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, np.maximum(0.0, 1.0 - residual / total), np.nan)


def signed_slope(parameters: Array) -> Array:
    """Slope with the sign of the curve's direction (...,): negative where inhibition falls with dose."""
    bottom, top, _, slope, _ = np.moveaxis(np.asarray(parameters), -1, 0)
    return np.where(top >= bottom, slope, -slope)


def inverse(parameters: Array, target: ArrayLike, min_x: ArrayLike, max_x: ArrayLike) -> Array:
    """Dose in nM (...,) at which curves (..., 5) reach the inhibition `target` (fraction), as published.

    The published rules (nplr, called by iTReX): a target at or below the bottom is replaced by the smallest
    fitted value, one at or above the top by the largest; the dose may then lie outside the tested range. A
    curve whose top lies below its bottom takes the nearest of its 200 grid points. Missing where inhibition
    falls with dose, and (ours) where the formula answers 0 or infinity.
    """
    parameters = np.asarray(parameters, dtype=float)
    bottom, top, x_mid, slope, asymmetry = np.moveaxis(parameters, -1, 0)
    wanted = np.broadcast_to(np.asarray(target, dtype=float), bottom.shape)
    x = grid(np.broadcast_to(min_x, bottom.shape), np.broadcast_to(max_x, bottom.shape))
    fitted = evaluate(parameters, x)
    nearest = np.argmin(np.abs(fitted - wanted[..., None]), axis=-1)
    by_grid = np.take_along_axis(x, nearest[..., None], axis=-1)[..., 0]
    reached = np.where(wanted <= bottom, fitted.min(axis=-1), wanted)
    reached = np.where(wanted >= top, fitted.max(axis=-1), reached)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = ((top - bottom) / (reached - bottom)) ** (1.0 / asymmetry)
        dose = 10.0 ** np.where(top < bottom, by_grid, x_mid - np.log10(ratio - 1.0) / slope)
    sound = (signed_slope(parameters) >= 0) & np.isfinite(dose) & (dose > 0)
    return np.where(sound, dose, np.nan)
