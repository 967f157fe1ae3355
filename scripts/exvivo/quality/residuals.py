"""What is left of each well when its curve is taken away, and whether it has a pattern on the plate.

Drug wells leave the residual of the curve fitted over all replicates, so no control is needed. The published figure is
the normalised residual fit error (NRFE; Ianevski et al. 2025, iScience 28:113470): the mean over a plate of
|residual| (in percent inhibition) times 1 + p (1 - p) / 0.25, p the fitted inhibition, with inhibition clipped to 0 to
100 %. Below 10 is acceptable, above 15 poor (theirs). The tests of patterns are ours: each asks how much of the
residuals a pattern explains, and compares with the same wells in random places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.quality.ranks import normal_scores
from exvivo.responses.curve import PARAMETERS, evaluate
from exvivo.responses.fit import ALL_REPLICATES, CURVE_ROLES
from exvivo.sheets.names import parse_well, row_letters, well_name

Array = NDArray[np.float64]
Index = NDArray[np.int64]
_DRAWS = 999  # of wells in random places
_FEWEST = 3  # wells of a line, to name it
_KEY = ["treatment", "addon"]
_LOW, _HIGH = 0.0, 1.0
_ALIVE, _ENOUGH = (
    0.6,
    24,
)  # fitted inhibition below which a well can lose viability; how many make a test


@dataclass(frozen=True)
class Pattern:
    """One pattern on one plate.

    Attributes: `name`; `effect` difference in viability (fraction) of the part that it names from the rest;
    `p` the chance that wells in random places show as much; `where` in words.
    """

    name: str
    effect: float
    p: float
    where: str


def plate_residuals(responses: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Residuals of the used drug and titration wells of one readout that have a curve.

    Returns plate, well, row, column (0-based), `fitted` inhibition and `residual` viability as measured minus fitted
    (fractions; below 0 where cells did worse than their curve).
    """
    fits = curves[
        (curves["replicate"] == ALL_REPLICATES) & curves["status"].isin(["ok", "inverted"])
    ]
    own = responses[responses["used"].astype(bool) & responses["role"].isin(CURVE_ROLES)]
    frame = own.merge(fits[["role", *_KEY, *PARAMETERS]], on=["role", *_KEY], how="inner")
    places = np.array([parse_well(well) for well in frame["well"]], dtype=np.int64).reshape(-1, 2)
    dose = np.log10(frame["concentration"].to_numpy(dtype=float))
    fitted = evaluate(frame[list(PARAMETERS)].to_numpy(dtype=float), dose[:, None])[:, 0]
    return pd.DataFrame(
        {
            "plate": frame["plate"].astype(str),
            "well": frame["well"],
            "row": places[:, 0],
            "column": places[:, 1],
            "fitted": fitted,
            "residual": frame["viability"].to_numpy(dtype=float) - (1.0 - fitted),
        }
    )


def nrfe(part: pd.DataFrame) -> float:
    """Normalised residual fit error of one plate's residuals, in percent; NaN without any."""
    if not len(part):
        return float("nan")
    fitted = np.clip(part["fitted"].to_numpy(dtype=float), _LOW, _HIGH)
    seen = np.clip(part["fitted"].to_numpy(float) - part["residual"].to_numpy(float), _LOW, _HIGH)
    weight = 1.0 + fitted * (1.0 - fitted) / 0.25
    return float(np.mean(100.0 * np.abs(seen - fitted) * weight))


def patterns(part: pd.DataFrame, seed: int = 0) -> list[Pattern]:
    """All patterns of one plate, tested by exchanging its wells at random `_DRAWS` times.

    Residuals are ranked to normal scores for the tests, so that a few wild wells decide nothing, and the
    effects are differences of medians. Where enough of them are left, only wells whose curve leaves cells alive
    are looked at: a dead well cannot show that its cells did worse.
    """
    alive = part[part["fitted"] < _ALIVE]
    part = alive if len(alive) >= _ENOUGH else part
    if len(part) < 2 * _FEWEST:
        return []
    residual = part["residual"].to_numpy(dtype=float)
    places = part[["row", "column"]].to_numpy(dtype=int)
    scores = normal_scores(residual[:, None])[:, 0]
    rng = np.random.Generator(np.random.PCG64(seed))
    shuffled = np.stack([rng.permutation(scores) for _ in range(_DRAWS)])
    return [_tested(name, places, residual, scores, shuffled) for name in PATTERNS]


def _tested(name: str, places: Index, residual: Array, scores: Array, shuffled: Array) -> Pattern:
    test = _KINDS[name](places)
    found, chance = test.statistic(scores[None])[0], test.statistic(shuffled)
    p = (1.0 + (chance >= found - 1e-12).sum()) / (1.0 + len(chance))
    effect, where = test.describe(residual)
    return Pattern(name, effect, float(p), where)


@dataclass(frozen=True)
class _Test:
    """One pattern for given places: `statistic` of scores (k, n), and effect and words for residuals (n,)."""

    statistic: Callable[[Array], Array]
    describe: Callable[[Array], tuple[float, str]]


def _edge(places: Index) -> _Test:
    """The outermost rows and columns of the wells in use against the rest."""
    rim = ((places == places.min(axis=0)) | (places == places.max(axis=0))).any(axis=1)

    def describe(residual: Array) -> tuple[float, str]:
        effect = _difference(residual, rim)
        return effect, f"edge minus inside {effect:+.3f}, {rim.sum()} and {(~rim).sum()} wells"

    return _Test(_two_groups(rim), describe)


def _gradient(places: Index) -> _Test:
    """A plane over the plate: how much of the scores it explains."""
    centred = places - places.mean(axis=0)
    basis, singular, _ = np.linalg.svd(centred, full_matrices=False)
    basis = basis[:, singular > 1e-6]

    def describe(residual: Array) -> tuple[float, str]:
        plane = np.column_stack([np.ones(len(places)), places])
        slopes = np.linalg.lstsq(plane, residual, rcond=None)[0][1:]
        down, right = (float(v) for v in slopes * np.ptp(places, axis=0))
        words = f"from top to bottom {down:+.3f}, from left to right {right:+.3f}"
        return max(down, right, key=abs), words

    return _Test(lambda scores: ((scores @ basis) ** 2).sum(axis=1), describe)


def _row(places: Index) -> _Test:
    return _lines(places[:, 0], lambda line: f"row {row_letters(line)}")


def _column(places: Index) -> _Test:
    return _lines(places[:, 1], lambda line: f"column {line + 1}")


def _dispensing(places: Index) -> _Test:
    """Every second row or column, each tip of an 8-channel head, the four quadrants of a stamped plate."""
    rows, columns = places[:, 0], places[:, 1]
    tests = [
        _lines(rows % 2, lambda i: f"every second row from {row_letters(i)}"),
        _lines(columns % 2, lambda i: f"every second column from {i + 1}"),
        _lines(
            rows % 8, lambda i: f"rows {row_letters(i)}, {row_letters(i + 8)}, … (one of 8 tips)"
        ),
        _lines(2 * (rows % 2) + columns % 2, lambda i: f"every fourth well, as {_first(i)}"),
    ]

    def statistic(scores: Array) -> Array:
        return np.max([test.statistic(scores) for test in tests], axis=0)

    def describe(residual: Array) -> tuple[float, str]:
        scores = normal_scores(residual[:, None]).T
        return max(tests, key=lambda test: test.statistic(scores)[0]).describe(residual)

    return _Test(statistic, describe)


def _first(quadrant: int) -> str:
    return well_name(quadrant // 2, quadrant % 2)


_KINDS: dict[str, Callable[[Index], _Test]] = {
    "edge": _edge,
    "gradient": _gradient,
    "row": _row,
    "column": _column,
    "dispensing": _dispensing,
}
PATTERNS = tuple(_KINDS)


def _two_groups(first: NDArray[np.bool_]) -> Callable[[Array], Array]:
    """Squared difference of means in units of its standard error, for scores (k, n)."""
    counts = max(int(first.sum()), 1), max(int((~first).sum()), 1)

    def statistic(scores: Array) -> Array:
        gap = scores[:, first].sum(axis=1) / counts[0] - scores[:, ~first].sum(axis=1) / counts[1]
        return gap**2 / (1 / counts[0] + 1 / counts[1])

    return statistic


def _lines(lines: Index, name: Callable[[int], str]) -> _Test:
    """The line that differs most from the rest of the plate, among those with enough wells."""
    values, counts = np.unique(lines, return_counts=True)
    tested = [int(v) for v in values[counts >= _FEWEST]] if len(values) > 1 else []
    tests = [_two_groups(lines == line) for line in tested]

    def statistic(scores: Array) -> Array:
        # Zeros first: without a line of enough wells there is still one value for each row of scores.
        return np.max([np.zeros(len(scores)), *(one(scores) for one in tests)], axis=0)

    def describe(residual: Array) -> tuple[float, str]:
        found = [(_difference(residual, lines == line), line) for line in tested]
        if not found:
            return float("nan"), "too few wells"
        weight = [abs(e) * np.sqrt((lines == line).sum()) for e, line in found]
        effect, line = found[int(np.argmax(weight))]
        return effect, f"{name(line)} differs by {effect:+.3f}"

    return _Test(statistic, describe)


def _difference(residual: Array, first: NDArray[np.bool_]) -> float:
    """Median of one part of the plate minus that of the rest; NaN where either has too few wells."""
    if min(first.sum(), (~first).sum()) < _FEWEST:
        return float("nan")
    return float(np.median(residual[first]) - np.median(residual[~first]))
