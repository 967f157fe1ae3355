"""Fits of our own: as good as scipy's from the same starts, within bounds, each curve by itself."""

from __future__ import annotations

import numpy as np
import pytest
from responses_data import CURVE, DOSES, curve_of, screen
from scipy.optimize import least_squares

from exvivo.responses import METHODS, build_responses, fit_curves
from exvivo.responses.curve import evaluate
from exvivo.responses.levenberg import Model, _expand, _inner, _outer, curves_loss, predict
from exvivo.responses.robust import (
    SCALE,
    fit_least_squares,
    fit_model,
    fit_robust,
    free_parameters,
    limits,
    starts,
)

OWN = ("robust", "least_squares")


def data(count: int, noise: float = 0.08, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random curves, active and not, falling and rising, at five doses in duplicate."""
    random = np.random.default_rng(seed)
    parameters = np.stack(
        [
            np.zeros(count),
            random.uniform(-0.3, 1.1, count),
            random.uniform(0, 4, count),
            random.uniform(0.5, 4, count),
            np.ones(count),
        ],
        axis=1,
    )
    x = np.tile(np.log10(np.repeat(DOSES, 2)), (count, 1))
    return x, evaluate(parameters, x) + noise * random.standard_normal(x.shape)


def scipy_best(x: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    """The best loss of scipy's bounded robust fit from our own starts, one curve after the other."""
    across, up = np.ascontiguousarray(x.T), np.ascontiguousarray(y.T)
    bounds = limits(across, up)
    free = list(free_parameters(count))
    best = np.full(len(x), np.inf)
    for start in starts(across, up, count, bounds, SCALE):
        for i in range(len(x)):

            def residuals(p, i=i, start=start):
                curve = start[:, i].copy()
                curve[free] = p
                return predict(curve[:, None], across[:, [i]])[:, 0] - up[:, i]

            low, high = bounds[0][free, i], bounds[1][free, i]
            begin = np.clip(start[free, i], low + 1e-9, high - 1e-9)
            how = {"loss": "soft_l1", "f_scale": SCALE, "xtol": 1e-10, "ftol": 1e-10}
            found = least_squares(residuals, begin, bounds=(low, high), **how)
            best[i] = min(best[i], found.cost)
    return best


@pytest.mark.parametrize("count", [4, 5])
def test_optima_are_those_of_scipy_or_better(count) -> None:
    x, y = data(8, seed=count)
    _, ours = fit_model(x, y, count)
    assert (ours <= scipy_best(x, y, count) * (1 + 1e-6) + 1e-9).all()


@pytest.mark.parametrize("scale", [None, SCALE])
def test_gradient_is_that_of_finite_differences(scale) -> None:
    x, y = (part.T for part in data(6))
    random = np.random.default_rng(1)
    curves = np.stack(
        [
            random.uniform(low, high, 6)
            for low, high in ((-0.1, 0.2), (0.4, 1), (1, 3), (0.5, 3), (0.5, 2))
        ]
    )
    model = Model(free_parameters(5), scale)
    inner = _inner(curves)
    gradient = _expand(inner, x, y, model).gradient
    for i in range(5):
        step = np.zeros_like(inner)
        step[i] = 1e-6
        ahead, behind = (curves_loss(_outer(inner + s), x, y, scale) for s in (step, -step))
        np.testing.assert_allclose(gradient[i], (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-7)


def test_fits_stay_within_their_bounds() -> None:
    x, y = data(20, noise=0.3, seed=2)
    for count in (4, 5):
        parameters, _ = fit_model(x, y, count)
        lower, upper = limits(x.T, y.T)
        assert (parameters >= lower.T - 1e-12).all() and (parameters <= upper.T + 1e-12).all()


@pytest.mark.parametrize("fit", [fit_robust, fit_least_squares])
def test_a_curve_does_not_depend_on_its_batch(fit, monkeypatch) -> None:
    """To the last digit: alone, in another order, and among so many that they are fitted in several parts."""
    monkeypatch.setattr("exvivo.responses.levenberg.CHUNK", 16)
    x, y = data(10, seed=3)
    together = fit(x, y)
    back = fit(x[::-1], y[::-1])
    np.testing.assert_array_equal(together.parameters, back.parameters[::-1])
    for i in (0, 9):
        alone = fit(x[[i]], y[[i]])
        np.testing.assert_array_equal(alone.parameters[0], together.parameters[i])
        assert alone.objective[0] == together.objective[i]


def test_an_outlier_moves_the_robust_curve_less() -> None:
    x = np.log10(np.repeat(DOSES, 3))[None]
    truth = np.array([[0.0, 0.9, 2.0, 1.2, 1.0]])
    y = evaluate(truth, x)
    y[0, 3] += 0.8
    dose = np.linspace(0, 4, 30)
    off = [
        np.abs(evaluate(fit(x, y).parameters, dose) - evaluate(truth, dose)).max()
        for fit in (fit_robust, fit_least_squares)
    ]
    assert off[0] < 0.5 * off[1]


@pytest.mark.parametrize("method", OWN)
def test_statuses_are_those_of_any_method(method) -> None:
    drugs = {
        "up": CURVE,
        "down": (0.0, 0.8, 2.0, 1.0, 1.0),
        "flat": (0.4, 0.4, 2.0, 1.0, 1.0),
        "lost": CURVE,
    }
    drugs["down"] = (0.0, 0.8, 2.0, -1.0, 1.0)
    layout, readout = screen(drugs, noise=0.01)
    flat = layout["treatment"] == "flat"
    readout.loc[flat, "value"] = 520.0
    few = (layout["treatment"] == "lost") & (layout["concentration"] > 10)
    readout.loc[few, "value"] = np.nan
    frame = fit_curves(build_responses(layout, readout, screen="S", readout_name="r"), method)
    whole = frame[frame["replicate"] == 0].set_index("treatment")
    assert whole["status"].to_dict() == {
        "up": "ok", "down": "inverted", "flat": "failed", "lost": "no_curve",
    }  # fmt: skip
    assert whole.loc["flat", "reason"] == "all responses are equal"
    assert whole.loc["lost", "reason"] == "2 dose(s) measured, at least 3 are needed"
    assert whole.loc["up", "gof"] > 0.98


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [3, 4, 5, 8, 12])
def test_no_more_parameters_than_doses(method, count) -> None:
    layout, readout = screen({"A": curve_of()}, doses=np.logspace(0, 4, count), noise=0.01)
    frame = fit_curves(build_responses(layout, readout, screen="S", readout_name="r"), method)
    assert set(frame["status"]) == {"ok"} and frame["n_parameters"].max() <= min(count, 5)


def test_least_squares_of_quiet_data_find_the_curve() -> None:
    """Also one of five parameters, and with a dose of 0."""
    truth = np.array([[0.1, 0.9, 1.8, 1.3, 0.6]])
    x = np.linspace(0, 4, 24)[None]
    x[0, 0] = -np.inf
    parameters, loss = fit_model(x, evaluate(truth, x), 5, bounded=False, scale=None)
    np.testing.assert_allclose(parameters, truth, rtol=1e-4)
    assert loss[0] < 1e-12
