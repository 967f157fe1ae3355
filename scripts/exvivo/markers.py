"""Weak labels: a cell is called by its marker, the marker's threshold by a mixture of two Gaussians.

Heinemann et al. 2022, Methods: the intensities of a marker in one sample are a mixture of two Gaussians; where the two
weighted densities cross between the means lies the threshold. Ours, because the paper does not say: log10 of the
mean intensity less the local background, all wells of a sample together, five starts, and when a marker is of no use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvivo.errors import ScoringError

Array = NDArray[np.float64]

CANCER, HEALTHY = "cancer", "healthy"
MIN_CELLS = 50  # for a mixture of two
MIN_POSITIVE = (
    0.01  # share of cells above the threshold below which they are a tail, not a population
)
MIN_SEPARATION = 1.0  # distance of the means in units of the mean standard deviation
_FITTED, _STARTS = 100_000, 5


@dataclass(frozen=True, slots=True)
class Mixture:
    """Two Gaussians on log10 intensities, lower mean first, and the threshold between them.

    Attributes: `weights`, `means`, `sds` of both; `threshold` in log10 units; `positive` share of all cells above
    it; `bic_gain` by how much two Gaussians describe the cells better than one (BIC, above 0 is better);
    `cells` measured, `dark` of them without a logarithm (not above background, hence negative);
    `usable` and, where not, the `reason`; `note` what else a person should know.
    """

    weights: tuple[float, float]
    means: tuple[float, float]
    sds: tuple[float, float]
    threshold: float
    positive: float
    bic_gain: float
    cells: int
    dark: int
    usable: bool
    reason: str = ""
    note: str = ""

    def is_positive(self, intensity: Array) -> NDArray[np.bool_]:
        """Which cells lie above the threshold; `intensity` is linear, background subtracted."""
        return np.asarray(intensity) > 10.0**self.threshold


def crossing(
    weights: tuple[float, float], means: tuple[float, float], sds: tuple[float, float]
) -> float | None:
    """Where w1 N(x; m1, s1) = w2 N(x; m2, s2) between the means; None if they do not cross there."""
    (w1, w2), (m1, m2), (s1, s2) = weights, means, sds
    a = 1 / (2 * s1**2) - 1 / (2 * s2**2)
    b = m2 / s2**2 - m1 / s1**2
    c = m1**2 / (2 * s1**2) - m2**2 / (2 * s2**2) - math.log(w1 * s2 / (w2 * s1))
    if abs(a) < 1e-12:
        roots = [-c / b] if b else []
    else:
        square = b * b - 4 * a * c
        if square < 0:
            return None
        # The root with the larger numerator first: subtracting equal numbers loses digits.
        q = -(b + math.copysign(math.sqrt(square), b)) / 2
        roots = [q / a] + ([c / q] if q else [])
    low, high = min(m1, m2), max(m1, m2)
    between = [root for root in roots if low <= root <= high]
    return between[0] if between else None


def fit_mixture(intensity: Array, *, seed: int = 0, min_positive: float = MIN_POSITIVE) -> Mixture:
    """Fit two Gaussians to the log10 of a marker's intensities in one sample.

    Args:
        intensity: (n,) mean intensity of each cell less its local background, linear. Cells at or below the
            background have no logarithm: they count as negative and do not enter the fit.
        seed: of the starts, and of the 100,000 cells that are fitted where there are more.
        min_positive: share of positive cells below which the marker is not used.

    A marker is not usable if one Gaussian describes it as well (BIC), if the means are closer than one standard
    deviation, or if too few or nearly all cells are positive. Raises `ScoringError` for missing values or
    fewer than 50 cells above the background.

    """
    intensity = np.asarray(intensity, np.float64)
    values = _logarithms(intensity)
    if len(values) > _FITTED:
        values = np.random.default_rng(seed).choice(values, _FITTED, replace=False)
    weights, means, sds, gain = _two_gaussians(values, seed)
    threshold, note = crossing(weights, means, sds), ""
    if threshold is None:
        threshold = sum(means) / 2
        note = "the two Gaussians do not cross between their means: the middle was taken"
    positive = float((intensity > 10.0**threshold).mean())
    reason = _why_not(means, sds, positive, gain, min_positive)
    dark = int((intensity <= 0).sum())
    return Mixture(
        weights,
        means,
        sds,
        threshold,
        positive,
        gain,
        len(intensity),
        dark,
        not reason,
        reason,
        note,
    )


def call_cells(mixture: Mixture, intensity: Array, positive_is: str = CANCER) -> NDArray[np.bool_]:
    """Whether each cell is called cancer. `positive_is` says what the marker marks: `cancer` or `healthy`.

    Raises `ScoringError` for a marker that is not usable, or of unknown meaning.
    """
    if not mixture.usable or positive_is not in (CANCER, HEALTHY):
        raise ScoringError(
            "this marker cannot label cells",
            expected=f"a usable marker that marks {CANCER} or {HEALTHY} cells",
            found=mixture.reason or repr(positive_is),
            hint="name another marker of the sample in samples.tsv",
        )
    positive = mixture.is_positive(intensity)
    return positive if positive_is == CANCER else ~positive


def _logarithms(intensity: Array) -> Array:
    if not np.isfinite(intensity).all():
        raise ScoringError(
            "a marker has cells without an intensity",
            expected="a finite mean intensity of each cell",
            found=f"{int((~np.isfinite(intensity)).sum())} of {len(intensity)} missing",
            hint="leave out the cells that segmentation flags",
        )
    values = np.log10(intensity[intensity > 0])
    if len(values) < MIN_CELLS:
        raise ScoringError(
            "too few cells to tell marker-positive from marker-negative ones",
            expected=f"at least {MIN_CELLS} cells above the background",
            found=f"{len(values)} of {len(intensity)}",
            hint="look at the images of this channel",
        )
    return values


def _two_gaussians(
    values: Array, seed: int
) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float], float]:
    from sklearn.mixture import GaussianMixture

    column = values.reshape(-1, 1)
    one = GaussianMixture(1, random_state=seed).fit(column)
    # The usual tolerance (1e-3). Run to the end, the fit follows the tails: on the DNA content of Jurkat cells
    # it gains 2 % of likelihood, and 23 % instead of 82 % of the G2 cells lie above the threshold.
    two = GaussianMixture(2, n_init=_STARTS, random_state=seed).fit(column)
    order = np.argsort(two.means_[:, 0])
    weights, means = two.weights_[order], two.means_[order, 0]
    sds = np.sqrt(two.covariances_[order, 0, 0])
    # Whether two are needed is asked of the best fit of two, not of the early one.
    start = {
        "weights_init": two.weights_,
        "means_init": two.means_,
        "precisions_init": 1 / two.covariances_,
    }
    best = GaussianMixture(2, tol=1e-6, max_iter=500, **start).fit(column)
    gain = float(one.bic(column) - best.bic(column))
    return tuple(map(float, weights)), tuple(map(float, means)), tuple(map(float, sds)), gain  # type: ignore[return-value]


def _why_not(
    means: tuple[float, float],
    sds: tuple[float, float],
    positive: float,
    gain: float,
    min_positive: float,
) -> str:
    """Why a marker cannot be used; empty if it can."""
    separation = (means[1] - means[0]) / (sum(sds) / 2)
    if gain <= 0:
        return "one population describes the intensities as well as two (BIC)"
    if separation < MIN_SEPARATION:
        return f"the two populations lie {separation:.2f} standard deviations apart, at least {MIN_SEPARATION:g} are needed"
    if not min_positive <= positive <= 1 - min_positive:
        side = "positive" if positive < min_positive else "negative"
        share = positive if positive < min_positive else 1 - positive
        return f"{share:.2%} of the cells are {side}, at least {min_positive:.0%} are needed"
    return ""
