"""The published fit: nplr's four logistic models as iTReX calls them (R package nplr 0.1-7, defaults).

Each of the models with 5, 4, 3 and 2 parameters is fitted by one quasi-Newton run from its own start values;
the objective is the sum of |residual|^1.5 (nplr's residual weights with power 0.25), and the model with the
lowest objective is kept. The published scores depend on where that single run stops (specification in
docs), so nothing here is to be improved; a robust fit is another method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvivo.responses.curve import evaluate
from exvivo.responses.secant import minimise

Array = NDArray[np.float64]

MODELS = (5, 4, 3, 2)  # numbers of parameters, in the order in which ties are decided
# What a model does not fit stands at (bottom, top, x_mid, slope, asymmetry) = (0, 1, -, -, 1).
_FREE = {
    5: (True, True, True, True, True),
    4: (True, True, True, True, False),
    3: (False, True, True, True, False),
    2: (False, False, True, True, False),
}


@dataclass
class Fits:
    """Best curves of P data sets: `parameters` (P, 5), `n_parameters` (P,), `objective` (P,), `ok` (P,)."""

    parameters: Array
    n_parameters: NDArray[np.int64]
    objective: Array
    ok: NDArray[np.bool_]


def fit_itrex(x: Array, y: Array) -> Fits:
    """Fit P data sets of n points: `x` log10 nM (P, n), `y` inhibition as a fraction (P, n).

    A model never has more parameters than the data set has doses (ours: the published layouts all have
    five doses, where it changes nothing). `ok` is false where no model moved from its start, as with data
    that are all equal.
    """
    doses = np.array([np.unique(row).size for row in x])
    parameters, values = _run_models(x, y)
    allowed = doses[None, :] >= np.array(MODELS)[:, None]
    values = np.where(allowed, values, np.inf)
    best = np.argmin(values, axis=0)
    each = np.arange(len(x))
    parameters, lowest = parameters[best, each], values[best, each]
    ok = (np.ptp(y, axis=1) > 0) & np.isfinite(lowest) & np.isfinite(parameters).all(axis=1)
    return Fits(parameters, np.array(MODELS)[best], lowest, ok)


def objective(parameters: Array, x: Array, y: Array) -> Array:
    """Sum over points of |residual|^1.5 (P,), which nplr minimises under the name of weighted squares."""
    residual = np.abs(y - evaluate(parameters, x))
    return np.sum(residual * np.sqrt(residual), axis=-1)


def _run_models(x: Array, y: Array) -> tuple[Array, Array]:
    """Parameters (4, P, 5) and objectives (4, P) of all models; infinite where a run never moved."""
    models, count = len(MODELS), len(x)
    slope = start_slope(x, y)
    start = np.concatenate([start_values(x, y, number, slope) for number in MODELS])
    free = np.repeat([_FREE[number] for number in MODELS], count, axis=0)
    every_x, every_y = np.tile(x, (models, 1)), np.tile(y, (models, 1))

    def value(points: Array, problems: NDArray[np.intp]) -> Array:
        points = np.where(free[problems], points, start[problems])
        return objective(points, every_x[problems], every_y[problems])

    found = minimise(value, start)
    values = np.where(found.iterations > 0, found.values, np.inf)
    return found.points.reshape(models, count, -1), values.reshape(models, count)


def start_values(x: Array, y: Array, count: int, slope: Array) -> Array:
    """nplr's start (P, 5) for the model of `count` parameters; `slope` is that of `start_slope`."""
    low, high = np.quantile(y, [0.05, 0.95], axis=1)
    start = np.empty((len(x), 5))
    start[:, 0] = low if count >= 4 else 0.0
    start[:, 1] = high if count >= 3 else 1.0
    start[:, 2] = (x.min(axis=1) + x.max(axis=1)) / 2.0
    start[:, 3] = slope
    start[:, 4] = 1.0
    return start


def start_slope(x: Array, y: Array) -> Array:
    """Slope (P,) of the straight line through the logits of the mean rescaled response of each dose."""
    low, high = np.quantile(y, [0.025, 0.975], axis=1, keepdims=True)
    slopes = np.empty(len(x))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (y - low) / (high - low)
        z = np.where(z <= 0, 0.05, np.where(z >= 1, 0.95, z))
        for i, (doses, rescaled) in enumerate(zip(x, z, strict=True)):
            distinct, place = np.unique(doses, return_inverse=True)
            mean = np.bincount(place, weights=rescaled) / np.bincount(place)
            logit = np.log(mean / (1 - mean))
            centred = distinct - distinct.mean()
            slopes[i] = np.sum(centred * logit) / np.sum(centred**2)
    return slopes
