"""Does a drug do anything? Its p-value against a flat curve at the level of the negative control.

A dose effect shows in the highest doses first, so that the wells of the k highest doses are averaged for each
k and set against the level of the controls; the largest of these contrasts in units of its standard error
counts (step contrasts of Bartholomew, as in Hothorn et al. 2008). Its distribution without any effect comes
from the same pooled scatter and the same redrawn controls as the intervals, so that nothing rests on the few
wells of one drug. Two-sided: a viability that rises with dose is an effect, too, if no wanted one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exvivo.responses.noise import Noise, random_of

Array = NDArray[np.float64]

DRAWS = 40_000  # no p-value is smaller than one in so many


def flat_p_values(
    points: list[tuple[Array, Array, NDArray[np.object_]]], noise: Noise, *, seed: int
) -> Array:
    """p-value of each drug; `points` are log10 doses, inhibition (fraction) and plates of its wells."""
    null: dict[tuple[object, ...], tuple[Array, Array]] = {}
    found = np.empty(len(points))
    for i, (x, y, plates) in enumerate(points):
        design = _design(x, plates)
        key = (design.tobytes(), design.shape, tuple(sorted(set(plates))))
        if key not in null:
            null[key] = _null(design, sorted(set(plates)), noise, seed)
        errors, reference = null[key]
        largest = np.max(np.abs(_contrasts(x, y)) / errors)
        exceeding = len(reference) - np.searchsorted(reference, largest, side="left")
        found[i] = (exceeding + 1.0) / (len(reference) + 1.0)
    return found


def _contrasts(x: Array, y: Array) -> Array:
    """Mean of the wells at or above each dose (k,)."""
    return np.array([y[x >= dose].mean() for dose in np.unique(x)])


def _design(x: Array, plates: NDArray[np.object_]) -> Array:
    """Number of wells by dose and plate: all that the distribution without effect depends on."""
    doses, places = np.unique(x), sorted(set(plates))
    return np.array([[np.sum((x == d) & (plates == p)) for p in places] for d in doses])


def _variance(errors: Array) -> float:
    """Of the central half of the errors: few controls make tails too wide for a variance."""
    return float((np.subtract(*np.quantile(errors, [0.75, 0.25])) / 1.349) ** 2)


def _null(design: Array, plates: list[str], noise: Noise, seed: int) -> tuple[Array, Array]:
    """Standard errors (k,) of the contrasts, and the sorted largest ones of draws without effect."""
    sd = float(noise.sd_at(0.0))
    above = np.cumsum(design[::-1], axis=0)[::-1]  # wells at or above each dose, by plate
    share = above / above.sum(axis=1, keepdims=True)
    shifts = np.stack([noise.median_shift(p, "negative", DRAWS, seed) for p in plates])
    errors = np.sqrt(
        sd**2 / above.sum(axis=1) + share**2 @ np.array([_variance(row) for row in shifts])
    )
    random = random_of(seed, "flat", str(design.tolist()), *plates)
    sums = np.stack([_sums(int(count), noise.shape, random) for count in design.sum(axis=1)])
    degrees = float(noise.degrees_at(0.0))
    sums *= sd * np.sqrt(degrees / random.chisquare(degrees, DRAWS))
    means = np.cumsum(sums[::-1], axis=0)[::-1] / above.sum(axis=1)[:, None]
    # The controls' error lowers or raises all wells of a plate alike.
    largest = np.max(np.abs(means + share @ shifts) / errors[:, None], axis=0)
    return errors, np.sort(largest)


def _sums(wells: int, shape: Array, random: np.random.Generator) -> Array:
    """Standardised sums (DRAWS,) of the scatter of so many wells of one dose.

    The deviations known are half differences of two wells, and of errors as often up as down a sum has the
    distribution of a difference. So one draw stands for two wells: two draws, each of two wells, would be four, whose
    tails are lighter, and a single outlier among the replicates would pass for an effect.
    """
    pairs, single = divmod(wells, 2)
    drawn = np.sqrt(2.0) * random.choice(shape, (pairs, DRAWS)).sum(axis=0)
    return drawn + random.choice(shape, (single, DRAWS)).sum(axis=0)
