"""The minimiser against functions with known minima, and its promise that problems do not touch each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from exvivo.responses.secant import WORST, Settings, minimise


def rosenbrock(points: np.ndarray, problems: np.ndarray) -> np.ndarray:
    return np.sum(
        100 * (points[:, 1:] - points[:, :-1] ** 2) ** 2 + (1 - points[:, :-1]) ** 2, axis=1
    )


def test_rosenbrock_in_several_dimensions() -> None:
    for n in (2, 3):
        found = minimise(rosenbrock, np.tile([-1.2, *[1.0] * (n - 1)], (3, 1)))
        np.testing.assert_allclose(found.points, 1.0, atol=2e-3)
        assert (found.iterations > 5).all() and (found.iterations < 100).all()
        np.testing.assert_array_equal(found.points[0], found.points[2])


def test_quadratics_with_their_own_minima() -> None:
    centres = np.random.default_rng(0).normal(size=(20, 4)) * 5
    scales = np.array([1.0, 10.0, 0.1, 3.0])

    def bowl(points, problems):
        return np.sum(scales * (points - centres[problems]) ** 2, axis=1)

    found = minimise(bowl, np.zeros((20, 4)))
    np.testing.assert_allclose(found.points, centres, atol=1e-4)


def test_as_good_as_another_bfgs_on_a_smooth_function() -> None:
    def valley(points, problems):
        x, y = points[:, 0], points[:, 1]
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

    start = np.array([[0.0, 0.0], [-2.0, 2.0], [4.0, -3.0]])
    found = minimise(valley, start)
    for i, x0 in enumerate(start):
        other = minimize(lambda p: valley(p[None], None)[0], x0, method="BFGS")
        assert found.values[i] <= other.fun + 1e-8


def test_a_problem_does_not_depend_on_its_neighbours() -> None:
    """The same curve fitted alone and among others must score the same, to the last bit."""
    start = np.random.default_rng(1).normal(size=(40, 3))
    together = minimise(rosenbrock, start)
    for i in (0, 7, 39):
        alone = minimise(rosenbrock, start[i : i + 1])
        np.testing.assert_array_equal(alone.points[0], together.points[i])
        assert alone.iterations[0] == together.iterations[i]


def test_start_at_the_minimum_takes_no_iteration() -> None:
    found = minimise(rosenbrock, np.ones((1, 2)))
    assert found.iterations[0] == 0 and found.points[0].tolist() == [1.0, 1.0]


def test_constant_function_stays_where_it_is() -> None:
    found = minimise(lambda points, problems: np.ones(len(points)), np.array([[3.0, 4.0]]))
    assert found.iterations[0] == 0 and found.points[0].tolist() == [3.0, 4.0]


def test_values_that_are_not_numbers_end_the_search_instead_of_hanging() -> None:
    def undefined(points, problems):
        return np.full(len(points), np.nan)

    found = minimise(undefined, np.zeros((2, 3)))
    assert found.values.tolist() == [WORST, WORST]


def test_wall_of_undefined_values_is_backed_away_from() -> None:
    def wall(points, problems):
        x = points[:, 0]
        with np.errstate(invalid="ignore"):
            return np.where(x < 2.0, (x - 1.9) ** 2, np.nan)

    found = minimise(wall, np.array([[-30.0]]))
    assert found.points[0, 0] == pytest.approx(1.9, abs=1e-3)


def test_iterations_are_bounded() -> None:
    found = minimise(rosenbrock, np.full((1, 5), -3.0), Settings(max_iterations=4))
    assert found.iterations[0] == 4
