"""Curves of a screen: one fit per drug over all replicates, and one per replicate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.errors import ConfigError, ScoringError
from exvivo.responses.curve import PARAMETERS, evaluate, goodness, signed_slope
from exvivo.responses.itrex import Fits, fit_itrex
from exvivo.responses.robust import fit_least_squares, fit_robust
from exvivo.tables import CURVES

Array = NDArray[np.float64]

MIN_DOSES = 3
ALL_REPLICATES = 0  # value of `replicate` for the fit over all of them
CURVE_ROLES = ("treatment", "titration")
KEY = ["screen", "readout", "role", "treatment", "addon"]

# A method takes log10 doses (P, n) and inhibition as fractions (P, n) and fits P curves at once.
METHODS: dict[str, Callable[[Array, Array], Fits]] = {
    "itrex": fit_itrex,
    "robust": fit_robust,
    "least_squares": fit_least_squares,
}


@dataclass
class _Series:
    """The points of one curve: `x` log10 nM, `y` inhibition as a fraction, and the row it becomes."""

    x: Array
    y: Array
    row: dict[str, object] = field(default_factory=dict)


def fit_curves(
    responses: pd.DataFrame, method: str = "itrex", *, single: bool = True
) -> pd.DataFrame:
    """Fit every treatment and titration of `responses` (`exvivo.tables.RESPONSES`).

    Combinations are curves of their own: (treatment, addon). `method` is a name in `METHODS`. Returns
    `exvivo.tables.CURVES`, for each curve a row with replicate 0 (all replicates) and, if `single`, one per
    replicate.
    Status: `ok`; `inverted` (viability rises with dose); `failed` (constant data, or no fit); `no_curve`
    (fewer than three doses measured), the last two with a reason and without parameters. Raises
    `ConfigError` for an unknown method and `ScoringError` for a dose that is missing or not positive.
    """
    if method not in METHODS:
        raise ConfigError("unknown scoring method", expected=", ".join(METHODS), found=method)
    frame = responses[responses["role"].isin(CURVE_ROLES)]
    _check_doses(frame)
    series = list(_split(frame, single=single))
    sizes: dict[int, list[_Series]] = {}
    for one in series:
        if one.row["n_doses"] < MIN_DOSES:
            found = one.row["n_doses"]
            _close(one, "no_curve", f"{found} dose(s) measured, at least {MIN_DOSES} are needed")
        elif np.ptp(one.y) == 0:
            _close(one, "failed", "all responses are equal")
        else:
            sizes.setdefault(len(one.x), []).append(one)
    # Only curves of equal size share arrays, so that no curve depends on which others there are.
    for group in sizes.values():
        _fit(group, METHODS[method])
    return _to_frame([one.row for one in series])


def _split(frame: pd.DataFrame, *, single: bool) -> Iterator[_Series]:
    """The series of all curves: replicates together first, then each if `single`."""
    for key, rows in frame.groupby(KEY, sort=False):
        names = dict(zip(KEY, key, strict=True))
        yield _series(rows, names, ALL_REPLICATES)
        for replicate, part in rows.groupby("replicate") if single else ():
            yield _series(part, names, int(replicate))


def _series(rows: pd.DataFrame, names: dict[str, object], replicate: int) -> _Series:
    used = rows[rows["used"]]
    doses = used["concentration"].to_numpy(dtype=float)
    row = {
        **names,
        "replicate": replicate,
        "n_points": len(used),
        "n_doses": len(np.unique(doses)),
        "min_concentration": doses.min() if len(doses) else np.nan,
        "max_concentration": doses.max() if len(doses) else np.nan,
    }
    return _Series(np.log10(doses), 1.0 - used["viability"].to_numpy(dtype=float), row)


def _fit(group: list[_Series], method: Callable[[Array, Array], Fits]) -> None:
    x, y = np.stack([one.x for one in group]), np.stack([one.y for one in group])
    fits = method(x, y)
    gof = goodness(y, evaluate(fits.parameters, x))
    falls = signed_slope(fits.parameters) < 0
    for i, one in enumerate(group):
        if not fits.ok[i]:
            _close(one, "failed", "no model could be fitted")
            continue
        _close(one, "inverted" if falls[i] else "ok", "")
        one.row.update(zip(PARAMETERS, fits.parameters[i], strict=True))
        one.row["n_parameters"] = int(fits.n_parameters[i])
        one.row["objective"] = fits.objective[i]
        one.row["gof"] = gof[i]
    for one in group:
        if one.row["status"] == "inverted":
            one.row["reason"] = "viability rises with dose"


def _close(one: _Series, status: str, reason: str) -> None:
    one.row.update(status=status, reason=reason, n_parameters=0)


def _check_doses(frame: pd.DataFrame) -> None:
    wrong = frame[frame["used"] & ~(frame["concentration"] > 0)]
    if len(wrong):
        first = wrong.iloc[0]
        raise ScoringError(
            "a treatment without a dose",
            expected="a concentration above 0 nM in every treatment and titration well",
            found=f"{len(wrong)} well(s), such as {first['plate']} {first['well']} ({first['treatment']})",
            where="layout",
            hint="give untreated and solvent wells their own roles, or mend the concentration",
        )


def _to_frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=CURVES.names)
    numbers = [name for name in CURVES.names if CURVES.field(name).type == "double"]
    counts = [name for name in CURVES.names if CURVES.field(name).type == "int64"]
    return frame.astype({**dict.fromkeys(numbers, "float64"), **dict.fromkeys(counts, "int64")})
