"""Weak labels: thresholds where two Gaussians cross, and markers that cannot be used."""

import re

import numpy as np
import pytest
from scipy.stats import norm

from exvivo.errors import ScoringError
from exvivo.markers import HEALTHY, call_cells, crossing, fit_mixture


def cells(n_low=7000, n_high=3000, means=(2.0, 3.0), sds=(0.2, 0.35), seed=0):
    """Intensities and true classes of two log-normal populations."""
    rng = np.random.default_rng(seed)
    low, high = rng.normal(means[0], sds[0], n_low), rng.normal(means[1], sds[1], n_high)
    return 10 ** np.concatenate([low, high]), np.repeat([False, True], [n_low, n_high])


def test_the_worked_example():
    assert crossing((0.7, 0.3), (2, 3), (0.2, 0.35)) == pytest.approx(2.4569852722606544, abs=1e-12)


@pytest.mark.parametrize("sds", [(0.2, 0.35), (0.35, 0.2), (0.25, 0.25), (0.1, 0.1 + 1e-13)])
@pytest.mark.parametrize("weights", [(0.7, 0.3), (0.5, 0.5), (0.05, 0.95)])
def test_at_the_crossing_both_densities_are_equal(sds, weights):
    at = crossing(weights, (2.0, 3.0), sds)
    assert 2 < at < 3
    first, second = (
        w * norm.pdf(at, m, s) for w, m, s in zip(weights, (2.0, 3.0), sds, strict=True)
    )
    assert first == pytest.approx(second, rel=1e-6)


def test_a_small_population_inside_a_large_one_does_not_cross_it():
    assert crossing((0.99, 0.01), (2.0, 2.1), (0.5, 0.5)) is None


def test_the_mixture_is_found_and_most_cells_are_called_right():
    intensity, truth = cells()
    mixture = fit_mixture(intensity)
    assert mixture.usable and mixture.reason == ""
    assert mixture.threshold == pytest.approx(2.457, abs=0.05)
    assert mixture.weights == pytest.approx((0.7, 0.3), abs=0.02)
    assert (call_cells(mixture, intensity) == truth).mean() > 0.96
    assert (call_cells(mixture, intensity, HEALTHY) == ~truth).mean() > 0.96


def test_equal_seeds_give_equal_mixtures_and_many_cells_are_sampled():
    intensity, _ = cells(80_000, 40_000)
    assert fit_mixture(intensity, seed=3) == fit_mixture(intensity, seed=3)
    assert fit_mixture(intensity).cells == 120_000


def test_cells_at_the_background_are_negative_and_counted():
    intensity, _ = cells()
    intensity[:500] = -3.0
    mixture = fit_mixture(intensity)
    assert mixture.dark == 500 and not call_cells(mixture, intensity)[:500].any()


def test_the_scale_of_the_camera_does_not_matter():
    intensity, _ = cells()
    one, ten = fit_mixture(intensity), fit_mixture(10 * intensity)
    assert ten.threshold - one.threshold == pytest.approx(1, abs=1e-3)
    assert ten.positive == pytest.approx(one.positive, abs=1e-3)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"n_high": 0, "n_low": 5000}, "one population"),
        ({"n_high": 20, "n_low": 9000, "means": (2.0, 4.0)}, "0.22% of the cells are positive"),
        ({"means": (2.0, 2.05), "sds": (0.3, 0.3)}, "one population|apart"),
    ],
)
def test_a_marker_without_two_populations_is_refused_with_the_reason(made, reason):
    mixture = fit_mixture(cells(**made)[0])
    assert not mixture.usable and re.search(reason, mixture.reason)
    with pytest.raises(ScoringError, match="cannot label"):
        call_cells(mixture, cells()[0])


def test_a_marker_of_unknown_meaning_is_refused():
    intensity, _ = cells()
    with pytest.raises(ScoringError, match="dead"):
        call_cells(fit_mixture(intensity), intensity, "dead")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_intensities_are_no_numbers(bad):
    intensity, _ = cells()
    intensity[3] = bad
    with pytest.raises(ScoringError, match="1 of 10000 missing"):
        fit_mixture(intensity)


def test_too_few_cells_are_refused():
    with pytest.raises(ScoringError, match="49 of 60"):
        fit_mixture(np.concatenate([np.full(49, 5.0), np.full(11, -1.0)]))
