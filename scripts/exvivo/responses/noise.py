"""How much a well and a plate's controls scatter: what bootstrap samples of a screen are drawn from.

Two wells of a drug say little about their own scatter, hundreds of such pairs in a screen say much. So the
scatter is pooled over all drugs of a readout, as a function of the level of inhibition (ours; smoothing of
squared deviations after Ruppert et al. 1997). This is the one place where a drug's interval depends on the
others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from exvivo.sheets.layouts import contrast_wells

Array = NDArray[np.float64]

BANDWIDTH = 0.1  # inhibition (fraction): the smoothing kernel's standard deviation
PRIOR = 5.0  # degrees of freedom that pull the scatter of a level towards that of all levels
FEWEST = 8.0  # degrees of freedom below which replicates do not make a basis
LEVELS = np.linspace(-0.1, 1.1, 61)  # of inhibition (fraction)


@dataclass(frozen=True)
class Controls:
    """Controls of one side of a plate: `count` wells whose scatter has the standard deviation `sd`.

    `degrees` of freedom stand behind it.
    """

    count: int
    sd: float
    degrees: float = 1000.0


@dataclass(frozen=True)
class Noise:
    """The scatter of a readout in a screen.

    Attributes: `sd` and `degrees` of freedom at each of `LEVELS`; `shape` standardised deviations, as many
    of either sign; `controls` by (plate, side); `control_shape` as `shape`; `basis` in words.
    """

    sd: Array
    degrees: Array
    shape: Array
    basis: str
    controls: Mapping[tuple[str, str], Controls] = field(default_factory=dict)
    control_shape: Array = field(default_factory=lambda: np.zeros(0))
    model_sd: Array | None = None
    model_degrees: Array | None = None

    def sd_at(self, level: ArrayLike) -> Array:
        """Standard deviation of a well whose inhibition (fraction) is `level`."""
        return np.interp(level, LEVELS, self.sd)

    def degrees_at(self, level: ArrayLike) -> Array:
        """Degrees of freedom that stand behind `sd_at`."""
        return np.interp(level, LEVELS, self.degrees)

    def with_errors(self, errors: Sequence[tuple[Array, Array]]) -> Noise:
        """With independent errors that all wells of a drug have in common: `sd` and `degrees` at each of `LEVELS`."""
        if not errors:
            return self
        variance = sum(sd**2 for sd, _ in errors)
        degrees = np.min([degrees for _, degrees in errors], axis=0)
        return replace(self, model_sd=np.sqrt(variance), model_degrees=degrees)

    def model_shift(self, level: Array, draws: int, seed: int, *names: str) -> Array:
        """Errors (n, draws) of the network about a drug whose wells have these levels, in inhibition.

        The same direction for all its wells; 0 where nothing is known of them.
        """
        if self.model_sd is None or self.model_degrees is None:
            return np.zeros((len(level), draws))
        random = random_of(seed, "model", *names)
        degrees = float(np.mean(np.interp(level, LEVELS, self.model_degrees)))
        one = random.standard_normal(draws) * np.sqrt(degrees / random.chisquare(degrees, draws))
        return np.interp(level, LEVELS, self.model_sd)[:, None] * one

    def median_shift(self, plate: str, side: str, draws: int, seed: int) -> Array:
        """Errors (draws,) of the median of a plate's controls, in viability; 0 for a plate without any.

        The same for every drug of the plate.
        """
        known = self.controls.get((plate, side))
        if known is None or known.count == 0 or not self.control_shape.size:
            return np.zeros(draws)
        random = random_of(seed, "controls", plate, side)
        drawn = random.choice(self.control_shape, (draws, known.count)) * known.sd
        # That the scatter is itself an estimate widens the errors as in Student's t.
        return np.median(drawn, axis=1) * np.sqrt(
            known.degrees / random.chisquare(known.degrees, draws)
        )


def random_of(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that depend on the seed and the names only, so that order and company do not matter."""
    text = "\x1f".join([str(seed), *names])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def estimate_noise(
    wells: pd.DataFrame,
    fitted: Array,
    free: Array,
    contrast: Mapping[str, object],
    basis: str,
    *,
    without_effect: bool = False,
) -> Noise | None:
    """The scatter of one readout.

    Args:
        wells: its used rows of `exvivo.tables.RESPONSES`.
        fitted: the fitted inhibition (fraction) of each row that has a curve, else missing.
        free: the number of parameters of the row's curve.
        contrast: which wells are the controls.
        basis: name of the readout, for `Noise.basis`.
        without_effect: count a deviation at the level nearest to 0 between the wells it was taken from, not at
            that of the curve. A curve follows its outlier away from 0; what is asked of a drug without effect
            is how far its wells scatter, outliers too.

    Returns:
        From the replicates of each drug and dose; where there are too few of them from the distances to the
        curves, widened by n / (n - parameters). None where neither is known.

    """
    inhibition = 1.0 - wells["viability"].to_numpy(dtype=float)
    known = np.isfinite(fitted)
    curve = [wells[name].to_numpy() for name in ("role", "treatment", "addon")]
    own = pd.DataFrame({"y": inhibition, "fitted": fitted, "free": free})
    own = own.assign(curve=pd.factorize(pd.MultiIndex.from_arrays(curve))[0])
    own = own.assign(dose=wells["concentration"].to_numpy(dtype=float))[known]
    away = _replicates(own)
    source = "replicates"
    if away["degrees"].sum() < FEWEST:
        away = _residuals(own)
        source = "distances from the curves"
    deviation, degrees = away["deviation"].to_numpy(), away["degrees"].to_numpy()
    if degrees.sum() < 1.0 or not np.any(deviation != 0):
        return None
    level = away["fitted"].to_numpy()
    if without_effect:
        level = np.clip(0.0, away["low"], away["high"]).to_numpy()
    sd, freedom = smooth(level, deviation**2 * degrees, degrees)
    scaled = deviation / np.interp(level, LEVELS, sd)
    shape = scaled / np.sqrt(np.average(scaled**2, weights=degrees))
    controls, control_shape = _controls(wells, contrast)
    return Noise(
        sd=sd,
        degrees=freedom,
        shape=np.concatenate([shape, -shape]),
        basis=f"{source} of {basis}",
        controls=controls,
        control_shape=control_shape,
    )


def _replicates(own: pd.DataFrame) -> pd.DataFrame:
    """Each well among the others of its drug and dose: `deviation`, `degrees` of freedom, `low` and `high` of them all.

    Deviations are widened so that their square has the variance of a well.
    """
    groups = own.groupby(["curve", "dose"])["y"]
    size = groups.transform("size")
    away = (own["y"] - groups.transform("mean")) * np.sqrt(size / (size - 1.0).clip(lower=1.0))
    ends = {"low": groups.transform("min"), "high": groups.transform("max")}
    return own.assign(deviation=away, degrees=1.0 - 1.0 / size, **ends)[size > 1]


def _residuals(own: pd.DataFrame) -> pd.DataFrame:
    """The same of each well and its curve, where that has fewer parameters than points."""
    size = own.groupby("curve")["y"].transform("size")
    spare = size - own["free"]
    own, size, spare = own[spare > 0], size[spare > 0], spare[spare > 0]
    away = (own["y"] - own["fitted"]) * np.sqrt(size / spare)
    both = own[["y", "fitted"]]
    ends = {"low": both.min(axis=1), "high": both.max(axis=1)}
    return own.assign(deviation=away, degrees=spare / size, **ends)


def smooth(level: Array, squares: Array, degrees: Array) -> tuple[Array, Array]:
    """Standard deviation and degrees of freedom at each of `LEVELS`.

    A weighted mean of variances has Satterthwaite's (1946) degrees of freedom: more than the sum of its weights,
    because the far ones count little each but are many.
    """
    everything = squares.sum() / degrees.sum()
    held = np.clip(level, LEVELS[0], LEVELS[-1])
    near = np.exp(-0.5 * ((LEVELS[:, None] - held[None, :]) / BANDWIDTH) ** 2)
    total, freedom = (near * squares).sum(axis=1), (near * degrees).sum(axis=1)
    variance = (total + PRIOR * everything) / (freedom + PRIOR)
    spread = (near**2 * degrees).sum(axis=1) + PRIOR**2 / degrees.sum()
    # The prior is made of the same wells: never more degrees of freedom than there are in all.
    return np.sqrt(variance), np.minimum((freedom + PRIOR) ** 2 / spread, float(degrees.sum()))


def _controls(
    wells: pd.DataFrame, contrast: Mapping[str, object]
) -> tuple[dict[tuple[str, str], Controls], Array]:
    """Count and scatter of each plate's controls, and the shape of the scatter over all plates.

    A plate's own variance is averaged with that of all plates, which weighs as much as five wells.
    """
    side = contrast_wells(wells, contrast)
    own = pd.DataFrame({"plate": wells["plate"], "side": side, "y": wells["viability"]})
    own = own[own["side"].isin(["negative", "positive"])]
    found: dict[tuple[str, str], Controls] = {}
    shapes = []
    for name, part in own.groupby("side"):
        groups = part.groupby("plate")["y"]
        size = groups.transform("size").to_numpy(dtype=float)
        away = (part["y"] - groups.transform("median")).to_numpy()
        freedom = max(len(part) - groups.ngroups, 1)
        overall = float(np.sum(away**2)) / freedom
        for plate, rows in groups:
            squares = float(np.sum((rows - rows.median()) ** 2))
            variance = (squares + PRIOR * overall) / (len(rows) - 1 + PRIOR)
            single = max(len(rows) - 1, 1)
            degrees = single + min(PRIOR, max(freedom - single, 0))
            found[str(plate), str(name)] = Controls(len(rows), float(np.sqrt(variance)), degrees)
        if overall > 0:
            several = size > 1
            wide = away[several] * np.sqrt(size[several] / (size[several] - 1.0))
            shapes.append(wide / np.sqrt(np.mean(wide**2)))
    shape = np.concatenate(shapes) if shapes else np.zeros(0)
    return found, np.concatenate([shape, -shape])
