"""A quasi-Newton minimiser for many small problems at once.

The factored secant (BFGS) method with backtracking line search of Dennis and Schnabel, "Numerical Methods
for Unconstrained Optimization and Nonlinear Equations" (1983): algorithms A6.3.1 (line search), A9.4.2
(factored update), A5.6.3 and A5.6.4 (forward and central differences), A7.2.1 (stopping), with the first
Hessian scaled after Shanno and Phua (1978). One such run from the published start values, and no better
optimiser, is what the `itrex` scores are defined by: steep curves between two doses are flat directions, and
the published numbers lie where this method stops.

All problems advance together, each by its own path: what one does never depends on the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]
Objective = Callable[[Array, Index], Array]  # points (k, n), which problems (k,) -> values (k,)

WORST = np.finfo(float).max  # stands for a value that is not finite


@dataclass(frozen=True)
class Settings:
    """Tolerances in the book's words; the defaults are those of R's `nlm`, which nplr calls."""

    digits: int = 12
    gradient_tolerance: float = 1e-6
    step_tolerance: float = 1e-6
    max_iterations: int = 100
    max_step: float = 1000.0  # times the larger of 1 and the length of the start vector

    @property
    def noise(self) -> float:
        """Relative noise of the objective."""
        return max(10.0**-self.digits, float(np.finfo(float).eps))


@dataclass
class Minimum:
    """Where each of P problems stopped: `points` (P, n), `values` (P,), `iterations` (P,)."""

    points: Array
    values: Array
    iterations: NDArray[np.int64]


@dataclass
class _State:
    """The problems as they stand; the first axis of all arrays is the problem."""

    value: Objective
    settings: Settings
    x: Array
    f: Array
    g: Array
    factor: Array  # lower triangle L of the approximate Hessian L L'
    max_step: Array
    central: Flags  # gradients are central differences by now
    fresh: Flags  # the first Hessian has not been scaled yet


def minimise(objective: Objective, start: Array, settings: Settings | None = None) -> Minimum:
    """Minimise P independent functions of n numbers from `start` (P, n).

    `objective(points, problems)` gives the value of problem `problems[i]` at `points[i]`; a value that is
    not finite counts as the largest number. A problem that cannot leave its start reports 0 iterations.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        state = _begin(objective, np.array(start, dtype=float), settings or Settings())
        iterations = np.zeros(len(state.x), dtype=np.int64)
        running = np.flatnonzero(~_gradient_is_small(state, state.x, state.f, state.g))
        while running.size:
            new_x, new_f, found = _line_search(state, running)
            retry = running[~found & ~state.central[running]]
            moved = running[found]
            iterations[moved] += 1
            state.central[retry] = True
            state.g[retry] = _gradient(state, state.x[retry], state.f[retry], retry)
            stopped = _advance(state, moved, new_x[found], new_f[found])
            stopped |= iterations[moved] >= state.settings.max_iterations
            running = np.sort(np.concatenate([retry, moved[~stopped]]))
    return Minimum(state.x, state.f, iterations)


def _begin(objective: Objective, start: Array, settings: Settings) -> _State:
    def value(points: Array, problems: Index) -> Array:
        found = objective(points, problems)
        return np.where(np.isfinite(found), found, WORST)

    count, n = start.shape
    everything = np.arange(count)
    state = _State(
        value=value,
        settings=settings,
        x=start,
        f=value(start, everything),
        g=np.zeros_like(start),
        factor=np.tile(np.eye(n), (count, 1, 1)),
        max_step=settings.max_step * np.maximum(1.0, np.sqrt(np.sum(start**2, axis=1))),
        central=np.zeros(count, dtype=bool),
        fresh=np.ones(count, dtype=bool),
    )
    state.g = _gradient(state, state.x, state.f, everything)
    return state


def _gradient(state: _State, x: Array, f: Array, problems: Index) -> Array:
    """Gradients (k, n) by forward differences, or by central ones once a line search has failed."""
    n = x.shape[1]
    central = state.central[problems]
    power = np.where(central, 1.0 / 3.0, 0.5)[:, None]
    steps = state.settings.noise**power * np.maximum(np.abs(x), 1.0)
    shifts = np.eye(n)[:, None, :] * steps  # (which number, problem, numbers)

    def values(points: Array, which: Index) -> Array:
        flat = state.value(points.reshape(-1, n), np.tile(which, n))
        return flat.reshape(n, len(which)).T

    ahead = values(x + shifts, problems)
    behind = np.repeat(f[:, None], n, axis=1)
    if central.any():
        behind[central] = values(x[central] - shifts[:, central], problems[central])
    return (ahead - behind) / (steps * np.where(central, 2.0, 1.0)[:, None])


def _gradient_is_small(state: _State, x: Array, f: Array, g: Array) -> Flags:
    relative = np.abs(g) * np.maximum(np.abs(x), 1.0) / np.maximum(np.abs(f), 1.0)[:, None]
    return relative.max(axis=1) <= state.settings.gradient_tolerance


def _line_search(state: _State, problems: Index) -> tuple[Array, Array, Flags]:
    """One step of each problem: new points (k, n), their values (k,), and whether a better point was found."""
    x, f, g = state.x[problems], state.f[problems], state.g[problems]
    step = -_solve(state.factor[problems], g)
    length = np.sqrt(np.sum(step**2, axis=1))
    step *= np.minimum(1.0, state.max_step[problems] / length)[:, None]
    slope = np.sum(g * step, axis=1)
    relative = np.max(np.abs(step) / np.maximum(np.abs(x), 1.0), axis=1)
    # A step that is not a number has no shortest length to try: the first failure ends its search.
    shortest = np.where(relative > 0, state.settings.step_tolerance / relative, np.inf)
    new_x, new_f, found = x.copy(), f.copy(), np.zeros(len(x), dtype=bool)
    factor, last_factor, last_f = np.ones(len(x)), np.zeros(len(x)), f.copy()
    searching = np.arange(len(x))
    while searching.size:
        i = searching
        trial = x[i] + factor[i, None] * step[i]
        trial_f = state.value(trial, problems[i])
        better = trial_f <= f[i] + 1e-4 * factor[i] * slope[i]
        new_x[i[better]], new_f[i[better]], found[i[better]] = trial[better], trial_f[better], True
        worse = ~better & (factor[i] >= shortest[i])
        i, trial_f = i[worse], trial_f[worse]
        shorter = _backtrack(factor[i], trial_f, last_factor[i], last_f[i], f[i], slope[i])
        last_factor[i], last_f[i], factor[i] = factor[i], trial_f, shorter
        searching = i
    return new_x, new_f, found


def _backtrack(
    factor: Array, trial: Array, last_factor: Array, last_trial: Array, f: Array, slope: Array
) -> Array:
    """The next, shorter step: minimum of the parabola (first time) or cubic through what is known."""
    parabola = -factor * slope / (2.0 * (trial - f - slope))
    rise = (trial - f - factor * slope) / factor**2
    last_rise = (last_trial - f - last_factor * slope) / last_factor**2
    a = (rise - last_rise) / (factor - last_factor)
    b = (factor * last_rise - last_factor * rise) / (factor - last_factor)
    cubic = np.where(a == 0, -slope / (2.0 * b), (-b + np.sqrt(b**2 - 3.0 * a * slope)) / (3.0 * a))
    wanted = np.where(last_factor == 0, parabola, np.minimum(cubic, 0.5 * factor))
    wanted = np.where(np.isfinite(wanted) & (trial < WORST), wanted, 0.0)
    return np.maximum(wanted, 0.1 * factor)


def _advance(state: _State, problems: Index, new_x: Array, new_f: Array) -> Flags:
    """Move to the new points, learn the curvature; returns which problems have arrived."""
    new_g = _gradient(state, new_x, new_f, problems)
    _update_factor(state, problems, new_x, new_g)
    moved = np.abs(new_x - state.x[problems]) / np.maximum(np.abs(new_x), 1.0)
    state.x[problems], state.f[problems], state.g[problems] = new_x, new_f, new_g
    arrived = moved.max(axis=1) <= state.settings.step_tolerance
    return arrived | _gradient_is_small(state, new_x, new_f, new_g)


def _update_factor(state: _State, problems: Index, new_x: Array, new_g: Array) -> None:
    """BFGS update of the factors, left out where it would not be positive or is within the noise."""
    step = new_x - state.x[problems]
    old_g = state.g[problems]
    change = new_g - old_g
    curvature = np.sum(step * change, axis=1)
    size = np.sqrt(np.sum(step**2, axis=1) * np.sum(change**2, axis=1))
    useful = curvature >= np.sqrt(np.finfo(float).eps) * size
    problems, step, change = problems[useful], step[useful], change[useful]
    curvature, steepest = curvature[useful], np.maximum(np.abs(old_g), np.abs(new_g))[useful]

    factor = state.factor[problems]
    turned = np.einsum("kji,kj->ki", factor, step)  # L' s
    scale = np.sqrt(curvature / np.sum(turned**2, axis=1))
    first = np.where(state.fresh[problems], scale, 1.0)
    factor, turned = factor * first[:, None, None], turned * first[:, None]
    scale = np.where(state.fresh[problems], 1.0, scale)
    state.fresh[problems] = False
    state.factor[problems] = factor

    predicted = np.einsum("kij,kj->ki", factor, turned)  # L L' s
    tolerance = np.where(state.central[problems], state.settings.noise, state.settings.noise**0.5)
    news = np.any(np.abs(change - predicted) >= tolerance[:, None] * steepest, axis=1)
    correction = (change - scale[:, None] * predicted) / (scale**2 * np.sum(turned**2, axis=1))[
        :, None
    ]
    full = factor + correction[:, :, None] * (scale[:, None] * turned)[:, None, :]
    keep = news & np.isfinite(full).all(axis=(1, 2))
    triangle = np.linalg.qr(np.swapaxes(full[keep], 1, 2), mode="r")
    state.factor[problems[keep]] = np.swapaxes(triangle, 1, 2)


def _solve(factor: Array, right: Array) -> Array:
    """Solve L L' p = right for lower triangles (k, n, n), by substitution."""
    n = right.shape[1]
    forward, result = np.zeros_like(right), np.zeros_like(right)
    for i in range(n):
        known = np.sum(factor[:, i, :i] * forward[:, :i], axis=1)
        forward[:, i] = (right[:, i] - known) / factor[:, i, i]
    for i in reversed(range(n)):
        known = np.sum(factor[:, i + 1 :, i] * result[:, i + 1 :], axis=1)
        result[:, i] = (forward[:, i] - known) / factor[:, i, i]
    return result
