"""Statistics of controls against numbers worked out by hand and properties they must have."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exvivo.quality import statistics as s
from exvivo.quality.rows import judge, limit_in_words

NEGATIVE = [100.0, 90.0, 110.0, 95.0, 105.0]
POSITIVE = [10.0, 12.0, 8.0, 10.0, 30.0]


def test_robust_z_prime_by_hand() -> None:
    """Medians 100 and 10; absolute deviations have the medians 5 and 2."""
    assert s.robust_sd(NEGATIVE) == pytest.approx(1.4826 * 5)
    assert s.robust_z_prime(NEGATIVE, POSITIVE) == pytest.approx(1 - 3 * 1.4826 * 7 / 90)


def test_classical_z_primes_by_hand() -> None:
    variances = np.var(NEGATIVE, ddof=1), np.var(POSITIVE, ddof=1)
    window = 100 - 14
    assert s.z_prime(NEGATIVE, POSITIVE) == pytest.approx(
        1 - 3 * sum(map(math.sqrt, variances)) / window
    )
    assert s.z_prime_fixsd(NEGATIVE, POSITIVE) == pytest.approx(
        1 - 3 * math.sqrt(sum(variances)) / window
    )
    assert s.ssmd(NEGATIVE, POSITIVE) == pytest.approx(window / math.sqrt(sum(variances)))
    assert s.signal_to_background(NEGATIVE, POSITIVE) == pytest.approx(100 / 14)
    assert s.coefficient_of_variation(NEGATIVE) == pytest.approx(100 * math.sqrt(62.5) / 100)


def test_one_bad_well_moves_the_robust_one_less() -> None:
    spoilt = [*POSITIVE[:4], 300.0]
    assert s.z_prime(NEGATIVE, spoilt) < 0 < s.robust_z_prime(NEGATIVE, spoilt)


@given(st.floats(-50, 50).filter(lambda a: abs(a) > 0.01), st.floats(-1e3, 1e3))
def test_z_primes_do_not_depend_on_the_unit(scale, shift) -> None:
    n, p = scale * np.array(NEGATIVE) + shift, scale * np.array(POSITIVE) + shift
    for statistic in (s.robust_z_prime, s.z_prime, s.z_prime_fixsd):
        assert statistic(n, p) == pytest.approx(statistic(NEGATIVE, POSITIVE), abs=1e-6)


@given(
    st.lists(st.floats(-10, 10), min_size=2, max_size=8),
    st.lists(st.floats(-10, 10), min_size=2, max_size=8),
)
def test_z_prime_is_never_above_one(n, p) -> None:
    for statistic in (s.robust_z_prime, s.z_prime, s.z_prime_fixsd):
        value = statistic(n, p)
        assert math.isnan(value) or value <= 1


@pytest.mark.parametrize(
    ("n", "p"),
    [([], []), ([1.0], [2.0, 3.0]), ([1.0, 2.0], [np.nan, 3.0]), ([np.nan] * 4, POSITIVE)],
)
def test_too_few_wells_give_no_number(n, p) -> None:
    for statistic in (s.robust_z_prime, s.z_prime, s.z_prime_fixsd, s.ssmd, s.signal_to_background):
        assert math.isnan(statistic(n, p)), statistic.__name__


def test_controls_that_coincide_or_never_vary_give_no_number() -> None:
    assert math.isnan(s.robust_z_prime([1, 2, 3], [1, 2, 3]))
    assert math.isnan(s.z_prime([1, 2, 3], [3, 2, 1]))
    assert math.isnan(s.robust_z_prime([5, 5, 5, 5], [1, 1, 1, 1])), (
        "a stuck readout is not perfect"
    )


def test_missing_wells_are_left_out_not_counted_as_zero() -> None:
    assert s.robust_z_prime([*NEGATIVE, np.nan], POSITIVE) == s.robust_z_prime(NEGATIVE, POSITIVE)


def test_cliffs_delta() -> None:
    assert s.cliffs_delta([3, 4], [1, 2]) == 1.0
    assert s.cliffs_delta([1, 2], [3, 4]) == -1.0
    assert s.cliffs_delta([1, 2], [1, 2]) == 0.0
    assert math.isnan(s.cliffs_delta([], [1.0]))


@pytest.mark.parametrize(
    ("value", "good", "bad", "verdict"),
    [
        (0.5, 0.5, 0.0, "pass"),
        (0.49, 0.5, 0.0, "warn"),
        (0.0, 0.5, 0.0, "warn"),
        (-0.01, 0.5, 0.0, "fail"),
        (0.1, 0.1, 0.25, "pass"),
        (0.2, 0.1, 0.25, "warn"),
        (0.26, 0.1, 0.25, "fail"),
    ],
)
def test_verdicts_in_both_directions(value, good, bad, verdict) -> None:
    assert judge(value, good, bad) == verdict


def test_limits_in_words() -> None:
    assert limit_in_words(0.5, 0.0) == ">= 0.5 (fails below 0)"
    assert limit_in_words(0.1, 0.25) == "<= 0.1 (fails above 0.25)"
