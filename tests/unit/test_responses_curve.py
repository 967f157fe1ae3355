"""The logistic curve, its inverse, and the scores that follow from parameters alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from exvivo.responses.concentrations import concentration_text, ic50_text
from exvivo.responses.curve import evaluate, goodness, grid, inverse, signed_slope
from exvivo.responses.dss import activity_threshold, area, closed_form_dss, dss_asym, dss_types

PLAIN = np.array([0.0, 1.0, 2.0, 1.0, 1.0])  # 50 % at 100 nM, slope 1
LOW, HIGH = 0.0, 4.0  # log10 nM

sane = st.tuples(
    st.floats(-0.2, 0.3),
    st.floats(0.4, 1.2),
    st.floats(0.5, 3.5),
    st.floats(0.3, 5.0),
    st.floats(0.3, 3.0),
).map(np.array)


def test_known_points_of_the_curve() -> None:
    assert evaluate(PLAIN, [2.0])[0] == 0.5
    assert evaluate(PLAIN, [3.0])[0] == pytest.approx(10 / 11)
    asymmetric = np.array([0.1, 0.9, 2.0, 1.0, 2.0])
    assert evaluate(asymmetric, [2.0])[0] == pytest.approx(0.1 + 0.8 / 4)


def test_steep_curves_reach_their_asymptotes_without_warnings() -> None:
    steep = np.array([0.1, 0.9, 2.0, 1e4, 1.0])
    assert evaluate(steep, [0.0, 4.0]).tolist() == [0.1, 0.9]


def test_curves_are_evaluated_side_by_side() -> None:
    curves = np.stack([PLAIN, PLAIN + np.eye(5)[2]])
    x = grid([LOW, 1.0], [HIGH, 3.0])
    assert x.shape == (2, 200)
    np.testing.assert_array_equal(evaluate(curves, x)[1], evaluate(curves[1], x[1]))


@given(sane, st.floats(0.02, 0.98))
def test_inverse_undoes_the_curve(parameters, share) -> None:
    target = parameters[0] + share * (parameters[1] - parameters[0])
    dose = inverse(parameters, np.array(target), LOW, HIGH)
    assert evaluate(parameters, [np.log10(dose)])[0] == pytest.approx(target, abs=1e-6)


def test_inverse_beyond_the_asymptotes_gives_the_end_of_the_curve() -> None:
    half = np.array([0.2, 0.6, 2.0, 1.0, 1.0])
    assert inverse(half, np.array(0.9), LOW, HIGH) == pytest.approx(1e4)
    assert inverse(half, np.array(0.1), LOW, HIGH) == pytest.approx(1.0)


def test_inverse_may_lie_outside_the_tested_doses() -> None:
    late = np.array([0.0, 1.0, 6.0, 1.0, 1.0])
    assert inverse(late, np.array(0.5), LOW, HIGH) == pytest.approx(1e6)


def test_inverse_of_a_falling_curve_is_missing() -> None:
    for falling in ([0.0, 1.0, 2.0, -1.0, 1.0], [1.0, 0.0, 2.0, 1.0, 1.0]):
        assert signed_slope(np.array(falling)) < 0
        assert np.isnan(inverse(np.array(falling), np.array(0.5), LOW, HIGH))


def test_inverse_with_swapped_asymptotes_takes_the_nearest_of_200_points() -> None:
    swapped = np.array([1.0, 0.0, 2.0, -1.0, 1.0])
    assert signed_slope(swapped) == 1.0
    dose = inverse(swapped, np.array(0.5), LOW, HIGH)
    assert abs(np.log10(dose) - 2.0) <= (HIGH - LOW) / 199 / 2 + 1e-12
    assert np.log10(dose) in grid(LOW, HIGH)


def test_no_ic_is_zero_or_infinite() -> None:
    always = np.array([0.6, 0.9, 0.5, 10.0, 6.0])
    never = np.array([-0.1, 0.1, 1.5, 13.7, 1.0])
    for target in (0.25, 0.5, 0.75):
        found = inverse(np.stack([always, never]), np.array(target), LOW, HIGH)
        assert not (found == 0).any() and not np.isinf(found).any()
    assert np.isnan(inverse(never, np.array(0.75), LOW, HIGH))


def test_goodness_of_fit() -> None:
    y = np.array([0.0, 0.5, 1.0])
    assert goodness(y, y) == 1.0
    assert goodness(y, np.full(3, 0.5)) == 0.0
    assert goodness(y, y[::-1]) == 0.0, "worse than the mean counts as 0"
    assert np.isnan(goodness(np.ones(3), np.ones(3)))


def test_dss_asym_of_a_curve_that_is_always_full_is_half_of_100() -> None:
    full = np.array([0.9999999, 1.0, -10.0, 5.0, 1.0])
    assert dss_asym(full, LOW, HIGH) == pytest.approx(50.0, abs=1e-4)


def test_dss_asym_against_an_exact_integral() -> None:
    """The published score is a sum over 200 points: it agrees with calculus to that precision."""
    curve = np.array([0.0, 0.8, 2.0, 1.5, 0.7])
    exact, _ = quad(lambda x: max(100 * evaluate(curve, [x])[0] - 10, 0), LOW, HIGH, limit=500)
    assert dss_asym(curve, LOW, HIGH) == pytest.approx(50 * exact / (90 * 4), abs=2e-3)


def test_curve_below_the_threshold_scores_zero() -> None:
    assert dss_asym(np.array([0.0, 0.09, 2.0, 1.0, 1.0]), LOW, HIGH) == 0.0
    assert dss_types(np.array([0.0, 0.09, 2.0, 1.0, 1.0]), LOW, HIGH).tolist() == [0, 0, 0]


def test_threshold_follows_the_top_between_100_and_110_percent() -> None:
    tops = np.array([0.3, 1.0, 1.05, 1.1, 4.0])
    curves = np.stack([np.array([0.0, top, 2.0, 1.0, 1.0]) for top in tops])
    assert activity_threshold(curves).tolist() == pytest.approx([10, 10, 10.5, 11, 11])
    assert activity_threshold(curves, 25.0).tolist() == [25.0] * 5


def test_falling_curve_counts_as_its_value_at_the_highest_dose() -> None:
    falling = np.array([0.3, 0.9, 2.0, -3.0, 1.0])
    last = 100 * evaluate(falling, [HIGH])[0]
    assert area(falling, LOW, HIGH, 10.0) == pytest.approx((last - 10) * (HIGH - LOW))


@settings(deadline=None)
@given(sane, st.floats(0.0, 0.5))
def test_more_effect_never_scores_less(parameters, more) -> None:
    stronger = parameters + np.array([0.0, more, -more, 0.0, 0.0])
    both = dss_asym(np.stack([parameters, stronger]), np.full(2, LOW), np.full(2, HIGH), 10.0)
    assert both[1] >= both[0] - 1e-9


@given(sane, st.floats(-2.0, 2.0))
def test_score_does_not_depend_on_the_unit_of_dose(parameters, shift) -> None:
    moved = parameters + np.array([0, 0, shift, 0, 0])
    assert dss_asym(moved, LOW + shift, HIGH + shift) == pytest.approx(
        dss_asym(parameters, LOW, HIGH), abs=1e-7
    )


def test_missing_parameters_score_missing() -> None:
    assert np.isnan(dss_asym(np.full(5, np.nan), LOW, HIGH))
    assert np.isnan(dss_types(np.full((2, 5), np.nan), [0, 0], [4, 4])).all()


@given(st.floats(1.5, 3.5), st.floats(0.2, 2.5), st.floats(15, 100))
def test_closed_form_agrees_with_the_grid(log_ic50, slope, top) -> None:
    curve = np.array([0.0, top / 100, log_ic50, slope, 1.0])
    exact = closed_form_dss(10**log_ic50, slope, top, 1.0, 1e4)
    np.testing.assert_allclose(dss_types(curve, LOW, HIGH, 10.0), exact, atol=0.02)


def test_closed_form_is_zero_where_breeze_says_so() -> None:
    cases = [
        {"ic50": 1e4},  # at the highest dose
        {"top": 10.0},
        {"slope": 0.0},
    ]
    plain = {
        "ic50": 100.0,
        "slope": 1.0,
        "top": 100.0,
        "min_concentration": 1.0,
        "max_concentration": 1e4,
    }
    assert (closed_form_dss(**plain) > 0).all()
    for case in cases:
        assert closed_form_dss(**{**plain, **case}).tolist() == [0, 0, 0], case
    assert closed_form_dss(**{**plain, "top": 130.0}).tolist() == closed_form_dss(**plain).tolist()
    assert closed_form_dss(**{**plain, "slope": -1.0}).tolist() == closed_form_dss(**plain).tolist()


@pytest.mark.parametrize(
    ("nanomolar", "text"),
    [
        (0.25, "250 pM"),
        (1.0, "1 nM"),
        (12.345, "12.3 nM"),
        (999.9, "1 µM"),
        (1000.0, "1 µM"),
        (10000.0, "10 µM"),
        (123456.0, "123 µM"),
        (1e6, "1 mM"),
        (5e-5, "50 fM"),
        (float("nan"), ""),
    ],
)
def test_concentrations_in_words(nanomolar, text) -> None:
    assert concentration_text(nanomolar) == text


def test_ic50_outside_the_tested_range_is_never_a_number() -> None:
    assert ic50_text("ok", 5e7, 1.0, 1e4) == "> 10 µM"
    assert ic50_text("ok", 0.2, 1.0, 1e4) == "< 1 nM"
    assert ic50_text("ok", 12.3, 1.0, 1e4) == "12.3 nM"
    assert ic50_text("ok", float("nan"), 1.0, 1e4) == ""
    for status in ("inverted", "failed", "no_curve"):
        assert ic50_text(status, 12.3, 1.0, 1e4) == ""
