"""Least squares of many logistic curves at once: Levenberg–Marquardt with bounds and a robust loss.

The method of Marquardt (1963), a step being cut back at the bounds and a parameter that the gradient presses
against its bound being held for the step (projection as in Bertsekas 1982). The loss of a residual r is
c² (sqrt(1 + (r/c)²) - 1), a parabola near zero and a straight line far out (`soft_l1` of scipy); without c
it is r²/2.

The problem is the last axis of all arrays, and sums run over the points in their order: what one curve does
never depends, not even in its last digit, on which others are fitted with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_LN10 = float(np.log(10.0))
_STEEPEST = 500.0  # exponent beyond which a logistic is 0 or 1 to the last digit
CHUNK = 1024  # problems that fit into the processor's cache together


@dataclass(frozen=True)
class Settings:
    """When to stop: `tolerance` of the relative decrease at a step that was hardly damped."""

    tolerance: float = 1e-10
    max_iterations: int = 1000
    first_damping: float = 1e-2
    most_damping: float = 1e12


@dataclass(frozen=True)
class Model:
    """What is fitted: which of (bottom, top, x_mid, slope, asymmetry) are `free`, and the `scale` c of the loss."""

    free: tuple[int, ...] = (0, 1, 2, 3)
    scale: float | None = None


@dataclass
class _Place:
    """P problems at one point: loss (P,), gradient (k, P), second derivatives (k, k, P)."""

    loss: Array
    gradient: Array
    hessian: Array

    def __getitem__(self, which: Index | NDArray[np.bool_]) -> _Place:
        return _Place(self.loss[which], self.gradient[:, which], self.hessian[:, :, which])

    def replace(self, which: NDArray[np.bool_], other: _Place) -> None:
        self.loss[which] = other.loss[which]
        self.gradient[:, which] = other.gradient[:, which]
        self.hessian[:, :, which] = other.hessian[:, :, which]


def curves_loss(parameters: Array, x: Array, y: Array, scale: float | None = None) -> Array:
    """The loss (P,) of curves (5, P) for points `x`, `y` (n, P)."""
    return _loss(predict(parameters, x) - y, scale)[0]


def predict(parameters: Array, x: Array) -> Array:
    """Inhibition (n, P) of curves (5, P) at `x` = log10 dose (n, P), -inf for a dose of 0."""
    bottom, top, _, _, asymmetry = parameters
    base = 1.0 + np.exp(_exponent(parameters, x))
    return bottom + (top - bottom) * np.exp(-asymmetry * np.log(base))


def minimise_curves(
    x: Array,
    y: Array,
    start: Array,
    bounds: tuple[Array, Array],
    model: Model,
    settings: Settings | None = None,
) -> tuple[Array, Array]:
    """Parameters (5, P) and losses (P,) of the local optima that are reached from `start` (5, P).

    `x` is log10 of the dose (n, P) and finite, `y` the response (n, P); `bounds` are lower and upper limits
    (5, P), infinite where there is none. The asymmetry stays positive by itself.
    """
    parameters, losses = np.array(start, dtype=float), np.empty(x.shape[1])
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        for begin in range(0, x.shape[1], CHUNK):
            part = slice(begin, begin + CHUNK)
            limits = tuple(_inner(np.ascontiguousarray(side[:, part])) for side in bounds)
            found = _minimise(x[:, part], y[:, part], parameters[:, part], limits, model, settings)
            parameters[:, part], losses[part] = found
    return parameters, losses


def _minimise(
    x: Array,
    y: Array,
    start: Array,
    bounds: tuple[Array, Array],
    model: Model,
    settings: Settings | None,
) -> tuple[Array, Array]:
    settings = settings or Settings()
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    free = list(model.free)
    lower, upper = bounds
    inner = np.clip(_inner(start), lower, upper)
    place = _expand(inner, x, y, model)
    damping = np.full(x.shape[1], settings.first_damping)
    running = np.arange(x.shape[1])
    for _ in range(settings.max_iterations):
        here, old = place[running], inner[:, running]
        step = _step(here, old[free], lower[free][:, running], upper[free][:, running], damping)
        trial = old.copy()
        trial[free] = np.clip(old[free] + step, lower[free][:, running], upper[free][:, running])
        there = _expand(trial, x[:, running], y[:, running], model)
        better = there.loss < here.loss
        small = here.loss - there.loss <= settings.tolerance * here.loss
        arrived = (better & small & (damping < 1.0)) | (~better & (damping > settings.most_damping))
        # A step that changes nothing at all is the end as well, whatever the damping.
        arrived |= np.all(trial == old, axis=0)
        inner[:, running[better]] = trial[:, better]
        here.replace(better, there)
        place.loss[running] = here.loss
        place.gradient[:, running] = here.gradient
        place.hessian[:, :, running] = here.hessian
        damping = np.where(better, np.maximum(damping * 0.2, 1e-12), damping * 6.0)
        running, damping = running[~arrived], damping[~arrived]
        if not running.size:
            break
    return _outer(inner), place.loss


def _inner(parameters: Array) -> Array:
    """Asymmetry by its logarithm, which keeps it positive."""
    return np.concatenate([parameters[:4], np.log(parameters[4:])])


def _outer(inner: Array) -> Array:
    return np.concatenate([inner[:4], np.exp(inner[4:])])


def _exponent(parameters: Array, x: Array) -> Array:
    return np.clip(parameters[3] * (parameters[2] - x) * _LN10, -_STEEPEST, _STEEPEST)


def _loss(residual: Array, scale: float | None) -> tuple[Array, Array, Array]:
    """Loss (P,), and the weights (n, P) of the gradient and of the second derivatives."""
    if scale is None:
        return 0.5 * total(residual * residual), np.ones_like(residual), np.ones_like(residual)
    ratio = residual / scale
    root = np.sqrt(1.0 + ratio * ratio)
    first = 1.0 / root
    # root - 1 in the form that keeps its digits for small residuals
    return scale**2 * total(ratio * ratio / (root + 1.0)), first, first * first * first


def total(values: Array) -> Array:
    """Sum over the points, in their order: numpy's own order depends on how many problems there are."""
    total = values[0].copy()
    for row in values[1:]:
        total += row
    return total


def _expand(inner: Array, x: Array, y: Array, model: Model) -> _Place:
    """Loss, gradient and Gauss–Newton Hessian of each problem by its free parameters."""
    slopes, residual = _derivatives(inner, x, y, model)
    loss, first, second = _loss(residual, model.scale)
    count = len(slopes)
    gradient = np.empty((count, x.shape[1]))
    hessian = np.empty((count, count, x.shape[1]))
    weighted = first * residual
    for i, mine in enumerate(slopes):
        gradient[i] = total(mine * weighted)
        curved = second * mine
        for j in range(i + 1):
            hessian[i, j] = hessian[j, i] = total(curved * slopes[j])
    return _Place(loss, gradient, hessian)


def _derivatives(inner: Array, x: Array, y: Array, model: Model) -> tuple[list[Array], Array]:
    """Derivatives of the curve by each free parameter, and the residuals, all (n, P)."""
    bottom, top, x_mid, slope, _ = inner
    grown = np.exp(_exponent(inner, x))
    base = 1.0 + grown
    if 4 in model.free:
        asymmetry = np.exp(inner[4])
        log_base = np.log(base)
        share = np.exp(-asymmetry * log_base)
    else:
        asymmetry, log_base, share = np.ones(()), base, 1.0 / base
    height = top - bottom
    falling = -height * asymmetry * share * (grown / base) * _LN10
    every = {
        0: lambda: 1.0 - share,
        1: lambda: share,
        2: lambda: falling * slope,
        3: lambda: falling * (x_mid - x),
        4: lambda: -height * asymmetry * log_base * share,
    }
    return [every[i]() for i in model.free], bottom + height * share - y


def _step(place: _Place, inner: Array, lower: Array, upper: Array, damping: Array) -> Array:
    """The damped step (k, P) that ends within the bounds.

    A parameter that the gradient presses against its bound stays; one that would cross its bound goes as far
    as that, and the others take the step that is best then.
    """
    held = ((inner <= lower) & (place.gradient > 0)) | ((inner >= upper) & (place.gradient < 0))
    step = _damped(place, damping, held, np.zeros_like(inner))
    crossing = _crossing(inner + step, lower, upper) & ~held
    rows = np.flatnonzero(crossing.any(axis=0))
    while rows.size:
        low, high, at = lower[:, rows], upper[:, rows], inner[:, rows]
        held[:, rows] |= crossing[:, rows]
        fixed = np.clip(at + step[:, rows], low, high) - at
        step[:, rows] = _damped(place[rows], damping[rows], held[:, rows], fixed)
        crossing[:, rows] = _crossing(at + step[:, rows], low, high) & ~held[:, rows]
        rows = rows[crossing[:, rows].any(axis=0)]
    return step


def _crossing(wanted: Array, lower: Array, upper: Array) -> NDArray[np.bool_]:
    return (wanted < lower) | (wanted > upper)


def _damped(place: _Place, damping: Array, held: NDArray[np.bool_], fixed: Array) -> Array:
    """The step (k, P) of damped normal equations in which the `held` parameters go by `fixed`."""
    count = len(held)
    fixed = np.where(held, fixed, 0.0)
    right = -place.gradient
    for i in range(count):
        for j in range(count):
            right[i] -= place.hessian[i, j] * fixed[j]
    matrix = np.where(held[:, None] | held[None, :], 0.0, place.hessian)
    diagonal = place.hessian[range(count), range(count)]
    floor = 1e-12 * np.maximum.reduce(diagonal, axis=0) + 1e-300
    for i in range(count):
        own = np.maximum(diagonal[i], floor)
        matrix[i, i] = np.where(held[i], 1.0, own * (1.0 + damping))
    return _solve(matrix, np.where(held, fixed, right))


def _solve(matrix: Array, right: Array) -> Array:
    """Solve symmetric positive systems (k, k, P) for (k, P) by Cholesky factors, all problems at once."""
    count = len(right)
    factor = np.zeros_like(matrix)
    solution = np.empty_like(right)
    for i in range(count):
        for j in range(i + 1):
            value = matrix[i, j].copy()
            for m in range(j):
                value -= factor[i, m] * factor[j, m]
            if i == j:
                factor[i, i] = np.sqrt(np.maximum(value, 1e-14 * matrix[i, i]))
            else:
                factor[i, j] = value / factor[j, j]
        solution[i] = right[i]
        for m in range(i):
            solution[i] -= factor[i, m] * solution[m]
        solution[i] /= factor[i, i]
    for i in reversed(range(count)):
        for m in range(i + 1, count):
            solution[i] -= factor[m, i] * solution[m]
        solution[i] /= factor[i, i]
    return solution
