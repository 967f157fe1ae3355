"""What of a curve lies at concentrations that a patient's plasma reaches. Nothing is extrapolated.

`max_plasma_nM` is the highest total plasma concentration that drugs.tsv gives. What binds to protein is not
taken off: the free concentration is lower.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from exvivo.responses.curve import PARAMETERS, evaluate, signed_slope
from exvivo.responses.dss import activity_threshold, area

INSIDE, BELOW, ABOVE = "inside", "below", "above"
COLUMNS = (
    "max_plasma_nM",
    "plasma_place",
    "effect_at_plasma",
    "effect_reachable",
    "dss_reachable",
    "only_above_plasma",
)


def at_plasma(curves: pd.DataFrame, plasma: pd.Series, threshold: pd.Series) -> pd.DataFrame:
    """Effect at the reachable concentration, and how much of the score comes from reachable doses.

    Args:
        curves: rows of `exvivo.tables.CURVES` (missing parameters: no curve).
        plasma: highest plasma concentration in nM, missing where not known; index as `curves`.
        threshold: inhibition in percent from which the score counts (`a_min`); missing for the published one.

    Returns:
        `COLUMNS`. `effect_at_plasma` is missing where the level lies outside the tested doses;
        `effect_reachable` is the effect at the level or, beyond the tested doses, at the highest of them.
        `dss_reachable` is the integral of DSS_asym up to the level by the length of all tested doses, so that
        it is a part of DSS_asym. `only_above_plasma`: the curve stays below the threshold up to the level and
        rises above it later. Curves that fall with dose have none of these.

    """
    parameters = curves[list(PARAMETERS)].to_numpy(dtype=float)
    low, high, level = (
        np.log10(values.to_numpy(dtype=float), where=values.to_numpy(dtype=float) > 0,
                 out=np.full(len(values), np.nan))
        for values in (curves["min_concentration"], curves["max_concentration"], plasma)
    )  # fmt: skip
    known = np.isfinite(level) & np.isfinite(low) & np.isfinite(high)
    place = np.select(
        [known & (level < low), known & (level > high), known], [BELOW, ABOVE, INSIDE], ""
    )
    reached = np.minimum(level, high)
    sound = np.isfinite(parameters).all(axis=1) & (signed_slope(parameters) >= 0)
    at_level = 100.0 * evaluate(parameters, reached[:, None])[:, 0]
    effect = np.where(sound & np.isin(place, (INSIDE, ABOVE)), at_level, np.nan)
    limit = np.where(
        threshold.isna(), activity_threshold(parameters), threshold.to_numpy(dtype=float)
    )
    part = _score_up_to(parameters, low, np.fmax(reached, low), limit, high - low)
    whole = _score_up_to(parameters, low, high, limit, high - low)
    part = np.where(sound & known, np.where(place == BELOW, 0.0, part), np.nan)
    # Below the tested doses nothing is known of the level, unless the curve is still flat at the lowest.
    at_lowest = 100.0 * evaluate(parameters, low[:, None])[:, 0]
    silent = np.where(place == BELOW, at_lowest <= limit, known & (part == 0))
    return pd.DataFrame(
        {
            "max_plasma_nM": plasma.to_numpy(dtype=float),
            "plasma_place": place,
            "effect_at_plasma": np.where(place == INSIDE, effect, np.nan),
            "effect_reachable": effect,
            "dss_reachable": part,
            "only_above_plasma": sound & (whole > 0) & silent,
        },
        index=curves.index,
    )


def _score_up_to(
    parameters: np.ndarray, low: np.ndarray, end: np.ndarray, limit: np.ndarray, span: np.ndarray
) -> np.ndarray:
    """DSS_asym with its integral ended at `end`, all in log10 nM; NaN where a parameter is missing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return 50.0 * area(parameters, low, end, limit) / ((100.0 - limit) * span)
