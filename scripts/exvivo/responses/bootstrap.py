"""Bootstrap intervals of scores, IC50 and curves: each drug measured again, many times, on paper.

The robust curve of a drug stands for the truth; each sample adds to it scatter drawn from the readout's
pooled deviations at that level (`exvivo.responses.noise`), and what models differ about it (`exvivo.responses.models`),
normalises by controls that were drawn anew for each plate, and is fitted by the same robust method (a parametric bootstrap, Efron and Tibshirani 1993).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exvivo.responses.curve import PARAMETERS, evaluate
from exvivo.responses.dss import Threshold, dss_asym
from exvivo.responses.levenberg import Model, Settings, minimise_curves
from exvivo.responses.noise import Noise, random_of
from exvivo.responses.robust import SCALE, best_of, free_parameters, limits, starts

Array = NDArray[np.float64]

BAND_POINTS = 41  # of the curve's band, over the tested log10 doses
_RACE = Settings(tolerance=1e-4, max_iterations=4)  # from each start; the best one goes on
_FINISH = Settings(
    tolerance=1e-4, max_iterations=30
)  # a fortieth of a standard error is near enough
_STARTS = (0.7, 2.0)  # slopes, beside the curve that the sample was drawn from


@dataclass(frozen=True)
class Series:
    """One drug: `x` log10 nM and `plates` of its n points, its robust curve (5,) and how many parameters it has."""

    names: tuple[str, ...]
    x: Array
    plates: NDArray[np.object_]
    parameters: Array
    n_parameters: int


@dataclass(frozen=True)
class Intervals:
    """Lower and upper ends, one pair (2,) each; `band` (2, 41) is inhibition as a fraction.

    An IC50 that is not reached within any dose is infinite, one below every dose 0.
    """

    dss: Array
    rel_ic50: Array
    abs_ic50: Array
    band: Array
    centre: float  # median of the samples' scores


def bootstrap(
    series: list[Series],
    noise: Noise,
    *,
    samples: int,
    level: float,
    seed: int,
    threshold: Threshold = "variable",
) -> list[Intervals]:
    """Intervals of each series; `level` is the share of samples within them."""
    found: list[Intervals | None] = [None] * len(series)
    sizes: dict[tuple[int, int], list[int]] = {}
    for i, one in enumerate(series):
        sizes.setdefault((len(one.x), one.n_parameters), []).append(i)
    shifts = _Shifts(noise, samples, seed)
    for (_, count), members in sizes.items():
        group = [series[i] for i in members]
        drawn = [_draw(one, noise, shifts, samples, seed) for one in group]
        refitted = _refit(group, drawn, count)
        for i, one, curves in zip(members, group, refitted, strict=True):
            found[i] = _intervals(one, curves, level, threshold)
    return [one for one in found if one is not None]


class _Shifts:
    """Errors of the plates' control medians, drawn once per plate."""

    def __init__(self, noise: Noise, samples: int, seed: int) -> None:
        self.noise, self.samples, self.seed = noise, samples, seed
        self.known: dict[str, tuple[Array, Array]] = {}

    def of(self, plates: NDArray[np.object_]) -> tuple[Array, Array]:
        """Shift of the negative and of the positive controls for each point (n, samples)."""
        for plate in set(plates) - set(self.known):
            self.known[plate] = (
                self.noise.median_shift(plate, "negative", self.samples, self.seed),
                self.noise.median_shift(plate, "positive", self.samples, self.seed),
            )
        both = [self.known[plate] for plate in plates]
        return np.stack([one for one, _ in both]), np.stack([other for _, other in both])


def _draw(one: Series, noise: Noise, shifts: _Shifts, samples: int, seed: int) -> Array:
    """Inhibition (n, samples) of the drug measured and normalised again."""
    random = random_of(seed, "wells", *one.names)
    true = evaluate(one.parameters, one.x)
    scatter = random.choice(noise.shape, (len(one.x), samples)) * noise.sd_at(true)[:, None]
    # That the scatter is itself an estimate widens the samples as in Student's t.
    degrees = float(np.mean(noise.degrees_at(true)))
    scatter *= np.sqrt(degrees / random.chisquare(degrees, samples))
    scatter += noise.model_shift(true, samples, seed, *one.names)
    negative, positive = shifts.of(one.plates)
    viability = (1.0 - true[:, None] + scatter - positive) / (1.0 + negative - positive)
    return 1.0 - viability


def _refit(group: list[Series], drawn: list[Array], count: int) -> list[Array]:
    """Curves (samples, 5) fitted to the samples of each series; all have the same number of points."""
    samples = drawn[0].shape[1]
    x = np.concatenate([np.repeat(one.x[:, None], samples, axis=1) for one in group], axis=1)
    y = np.concatenate(drawn, axis=1)
    bounds, model = limits(x, y), Model(free_parameters(count), SCALE)
    begin = starts(x, y, count, bounds, SCALE, slopes=_STARTS)
    begin.append(np.repeat(np.stack([one.parameters for one in group], axis=1), samples, axis=1))
    leading, _ = best_of([minimise_curves(x, y, s, bounds, model, _RACE) for s in begin])
    curves, _ = minimise_curves(x, y, np.ascontiguousarray(leading.T), bounds, model, _FINISH)
    return np.split(curves.T, len(group))


def _intervals(one: Series, curves: Array, level: float, threshold: Threshold) -> Intervals:
    low, high = float(one.x.min()), float(one.x.max())
    scores = dss_asym(curves, np.full(len(curves), low), np.full(len(curves), high), threshold)
    ends = np.array([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    asymptotes = np.sort(np.clip(curves[:, :2], -0.1, 1.1), axis=1)
    doses = np.linspace(low, high, BAND_POINTS)
    return Intervals(
        dss=np.quantile(scores, ends),
        rel_ic50=_ends(crossing(curves, asymptotes.mean(axis=1)), ends),
        abs_ic50=_ends(crossing(curves, 0.5), ends),
        band=np.quantile(evaluate(curves, doses), ends, axis=0),
        centre=float(np.median(scores)),
    )


def _ends(doses: Array, ends: Array) -> Array:
    """Quantiles that are themselves among the values, so that infinite ones do no harm."""
    return np.array(
        [
            np.quantile(doses, ends[0], method="lower"),
            np.quantile(doses, ends[1], method="higher"),
        ]
    )


def crossing(curves: Array, target: ArrayLike) -> Array:
    """Dose in nM at which rising curves (P, 5) reach `target` (fraction): 0 below all doses, infinite never.

    A curve that falls with dose never reaches it.
    """
    bottom, top, x_mid, slope, asymmetry = (curves[:, i] for i in range(len(PARAMETERS)))
    wanted = np.broadcast_to(np.asarray(target, dtype=float), bottom.shape)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = ((top - bottom) / (wanted - bottom)) ** (1.0 / asymmetry)
        dose = 10.0 ** (x_mid - np.log10(ratio - 1.0) / slope)
    dose = np.where(wanted <= bottom, 0.0, np.where(wanted >= top, np.inf, dose))
    return np.where(top > bottom, dose, np.inf)
