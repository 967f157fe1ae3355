"""Fits of our own: bounded and robust ones, and ordinary least squares without bounds. See docs/scoring.md.

`robust` fits curves of four and of five parameters from several starts within bounds; the loss grows only
linearly with a residual beyond 10 % viability. The fifth parameter is kept where the corrected criterion of
Akaike (Hurvich and Tsai 1989) asks for it, which it never does for five points. `least_squares` is ordinary
least squares without bounds, the estimate of LL.4 and LL.5 in the R package drc (Ritz et al. 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvivo.responses.itrex import Fits
from exvivo.responses.levenberg import Model, Settings, curves_loss, minimise_curves, predict, total

Array = NDArray[np.float64]

SCALE = 0.1  # inhibition (fraction): residuals beyond it count linearly
MARGIN = 0.1  # the asymptotes may lie so far outside of 0..1 and of the data
BEYOND = 1.0  # decades that the middle may lie outside the tested doses
SLOWEST = 0.2
STEEPEST = 4.0  # divided by the smallest step between doses: 1 % to 99 % from half-way to half-way
SAME_DOSE = 1e-6  # log10
ASYMMETRIES = (0.2, 5.0)
START_SLOPES = (0.5, 1.0, 2.0, 4.0)
_START_PLACES = 13
_FAR = 300.0  # decades below the lowest dose at which a dose of 0 stands


@dataclass(frozen=True)
class Estimate:
    """Curves fitted by least squares: `parameters` (P, 5), `errors` their standard errors (P, 5), `rss` (P,)."""

    parameters: Array
    errors: Array
    rss: Array


def fit_robust(x: Array, y: Array) -> Fits:
    """Fit P data sets of n points within bounds: `x` log10 nM (P, n), `y` inhibition as a fraction (P, n).

    A curve has four or five parameters, three where the data set has three doses (then it starts at 0).
    `ok` is false where all responses are equal. Slopes are positive: where inhibition falls with dose, top
    is less than bottom.
    """
    return _select(x, y, bounded=True, scale=SCALE)


def fit_least_squares(x: Array, y: Array) -> Fits:
    """Fit P data sets by ordinary least squares without bounds; shapes, models and `ok` as for `fit_robust`."""
    return _select(x, y, bounded=False, scale=None)


def _select(x: Array, y: Array, *, bounded: bool, scale: float | None) -> Fits:
    """The best model of each data set by the corrected criterion of Akaike."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    doses = np.array([np.unique(row).size for row in x])
    points = x.shape[1]
    best = np.full((len(x), 5), np.nan)
    loss, criterion = np.full(len(x), np.inf), np.full(len(x), np.inf)
    numbers = np.zeros(len(x), dtype=np.int64)
    for count in (3, 4, 5):
        allowed = (doses == 3) if count == 3 else (doses >= count)
        allowed &= np.ptp(y, axis=1) > 0
        if count == 5 and points - count - 2 <= 0:
            continue
        rows = np.flatnonzero(allowed)
        if not rows.size:
            continue
        parameters, losses = fit_model(x[rows], y[rows], count, bounded=bounded, scale=scale)
        value = _criterion(losses, points, count)
        better = (value < criterion[rows]) | (numbers[rows] == 0)
        chosen = rows[better]
        best[chosen], loss[chosen] = parameters[better], losses[better]
        criterion[chosen], numbers[chosen] = value[better], count
    ok = np.isfinite(best).all(axis=1) & np.isfinite(loss)
    return Fits(best, numbers, loss, ok)


def _criterion(loss: Array, points: int, count: int) -> Array:
    """AICc with the loss in the place of half the sum of squares; the scale is a parameter, too."""
    k = count + 1
    correction = 2.0 * k * (k + 1) / (points - k - 1) if points > k + 1 else 0.0
    return points * np.log(np.maximum(loss, 1e-12) / points) + 2.0 * k + correction


def fit_model(
    x: Array,
    y: Array,
    count: int,
    *,
    bounded: bool = True,
    scale: float | None = SCALE,
    settings: Settings | None = None,
) -> tuple[Array, Array]:
    """The best of several starts: parameters (P, 5) and losses (P,) of the model of `count` parameters.

    Without bounds five parameters start from the best curve of four, as in drc: on a ridge that leads to an
    endless asymmetry other starts end at other, hardly better places of it.
    """
    across, up = np.ascontiguousarray(x.T, dtype=float), np.ascontiguousarray(y.T, dtype=float)
    across = without_zero(across)
    model = Model(free_parameters(count), scale)
    bounds = limits(across, up) if bounded else no_limits(across.shape[1])
    if count == 5 and not bounded:
        four, _ = fit_model(x, y, 4, bounded=False, scale=scale, settings=settings)
        begin = [_upright(four.T)]
    else:
        begin = starts(across, up, count, bounds, scale)
    # All starts of all data sets run side by side.
    times, problems = len(begin), across.shape[1]
    wide = [np.tile(side, (1, times)) for side in bounds]
    points = (np.tile(across, (1, times)), np.tile(up, (1, times)))
    start = np.concatenate(begin, axis=1)
    curves, losses = minimise_curves(*points, start, (wide[0], wide[1]), model, settings)
    runs = [slice(i * problems, (i + 1) * problems) for i in range(times)]
    return best_of([(curves[:, run], losses[run]) for run in runs])


def _upright(curves: Array) -> Array:
    """The same symmetrical curves (5, P) with their bottom below their top, falling ones by their slope."""
    upside_down = curves[0] > curves[1]
    turned = np.stack([curves[1], curves[0], curves[2], -curves[3], curves[4]])
    return np.where(upside_down, turned, curves)


def best_of(found: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Of several runs (parameters (5, P), losses (P,)) the best of each problem; parameters as (P, 5)."""
    losses = np.stack([loss for _, loss in found])
    best = np.argmin(np.where(np.isnan(losses), np.inf, losses), axis=0)
    each = np.arange(losses.shape[1])
    parameters = np.stack([run for run, _ in found])[best, :, each]
    return parameters, losses[best, each]


def free_parameters(count: int) -> tuple[int, ...]:
    """Which of (bottom, top, x_mid, slope, asymmetry) a model of `count` parameters fits."""
    return {3: (1, 2, 3), 4: (0, 1, 2, 3), 5: (0, 1, 2, 3, 4)}[count]


def without_zero(x: Array) -> Array:
    """log10 doses (n, P) with a dose of 0 so far down that no curve notices the difference."""
    if np.isfinite(x).all():
        return x
    lowest = np.min(np.where(np.isfinite(x), x, np.inf), axis=0)
    return np.where(np.isfinite(x), x, lowest - _FAR)


def limits(x: Array, y: Array) -> tuple[Array, Array]:
    """Lower and upper bounds (5, P) for points (n, P), in the order of the parameters."""
    least, most = np.minimum(y.min(axis=0), 0.0) - MARGIN, np.maximum(y.max(axis=0), 1.0) + MARGIN
    ends = np.ones_like(least)
    left, right = x.min(axis=0) - BEYOND, x.max(axis=0) + BEYOND
    gaps = np.diff(np.sort(x, axis=0), axis=0)
    steepest = STEEPEST / np.min(np.where(gaps > SAME_DOSE, gaps, np.inf), axis=0)
    lower = np.stack([least, least, left, SLOWEST * ends, ASYMMETRIES[0] * ends])
    upper = np.stack([most, most, right, np.maximum(steepest, 1.0), ASYMMETRIES[1] * ends])
    return lower, upper


def no_limits(problems: int) -> tuple[Array, Array]:
    """Bounds (5, P) that hold nothing back; an asymmetry is positive."""
    lower = np.full((5, problems), -np.inf)
    lower[4] = 0.0
    return lower, np.full((5, problems), np.inf)


def starts(
    x: Array,
    y: Array,
    count: int,
    bounds: tuple[Array, Array],
    scale: float | None,
    *,
    slopes: tuple[float, ...] = START_SLOPES,
) -> list[Array]:
    """For each of some slopes the start (5, P) with the best place of the middle.

    Given slope and middle the curve is linear in its asymptotes, which are those of least squares, cut to
    the bounds. 13 places over the tested doses are compared by the loss.
    """
    lowest = np.min(np.where(x > x.max(axis=0) - _FAR / 2, x, np.inf), axis=0)
    highest = x.max(axis=0)
    found = []
    for slope in slopes:
        best, least = np.empty((5, x.shape[1])), np.full(x.shape[1], np.inf)
        for share in np.linspace(0.0, 1.0, _START_PLACES):
            trial = _with_asymptotes(x, y, lowest + share * (highest - lowest), slope, count)
            trial[:2] = np.clip(trial[:2], bounds[0][:2], bounds[1][:2])
            loss = curves_loss(trial, x, y, scale)
            better = loss < least
            best[:, better], least[better] = trial[:, better], loss[better]
        found.append(best)
    return found


def _with_asymptotes(x: Array, y: Array, x_mid: Array, slope: float, count: int) -> Array:
    """The curve (5, P) of that middle and slope with the asymptotes of least squares."""
    ones = np.ones_like(x_mid)
    unit = np.stack([0.0 * ones, ones, x_mid, slope * ones, ones])
    share = predict(unit, x)
    rest = 1.0 - share
    aa, ab, bb = (total(u * v) for u, v in ((rest, rest), (rest, share), (share, share)))
    ay, by = total(rest * y), total(share * y)
    if count == 3:
        unit[1] = by / np.maximum(bb, 1e-12)
        return unit
    # A ridge of no weight keeps a curve that is all top or all bottom solvable.
    aa, bb = aa + 1e-9, bb + 1e-9
    det = aa * bb - ab * ab
    unit[0], unit[1] = (bb * ay - ab * by) / det, (aa * by - ab * ay) / det
    return unit
