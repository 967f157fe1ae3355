"""Least squares without bounds against R's drc: coefficients within their standard errors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exvivo.responses.levenberg import curves_loss
from exvivo.responses.robust import fit_model, without_zero

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EXVIVO_DATA", REPOSITORY.parent / "shared" / "data"))
DATA = SHARED / "dose_response"
RIDGE = 1e-3  # relative fall of the residual sum of squares beyond drc's own optimum
# How far it falls where drc stopped short, and the coefficients that leave their standard errors on the way.
RIDGES = {
    "heartrate": (0.0293, {"e", "f"}),
    "lemna": (0.00173, {"e", "f"}),
    "lettuce": (0.0189, {"b"}),
}

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs the real data sets: set EXVIVO_DATA to their folder"
)


def points(name: str) -> tuple[np.ndarray, np.ndarray]:
    table = pd.read_csv(DATA / "drc_data.csv")
    own = table[table["dataset"] == name]
    with np.errstate(divide="ignore"):  # untreated plants have the dose 0
        return np.log10(own["x"].to_numpy(dtype=float))[None], own["y"].to_numpy(dtype=float)[None]


def fits(model: str) -> list[tuple[str, pd.DataFrame]]:
    if not DATA.is_dir():
        return []
    table = pd.read_csv(DATA / "drc_fits.csv")
    own = table[table["model"] == model]
    return [(str(name), part.set_index("param")) for name, part in own.groupby("dataset")]


def as_drc(curve: np.ndarray, like: pd.DataFrame) -> dict[str, float]:
    """Our parameters under drc's names; a symmetrical curve is turned the way drc wrote it down."""
    bottom, top, x_mid, slope, asymmetry = curve
    if asymmetry == 1 and -slope * like.loc["b", "estimate"] < 0:
        bottom, top, slope = top, bottom, -slope
    return {"b": -slope, "c": bottom, "d": top, "e": 10**x_mid, "f": asymmetry}


@pytest.mark.parametrize(("name", "expected"), fits("LL.4"))
def test_four_parameters_are_those_of_drc(name, expected) -> None:
    x, y = points(name)
    curves, loss = fit_model(x, y, 4, bounded=False, scale=None)
    assert 2 * loss[0] == pytest.approx(expected["rss"].iloc[0], rel=1e-6)
    found = as_drc(curves[0], expected)
    for parameter, row in expected.iterrows():
        assert np.isfinite(row["se"])
        assert abs(found[parameter] - row["estimate"]) < 0.01 * row["se"], parameter


@pytest.mark.parametrize(("name", "expected"), fits("LL.5"))
def test_five_parameters_are_those_of_drc_where_it_converged(name, expected) -> None:
    """Never a larger sum of squares; the same coefficients unless drc stopped short of its optimum.

    On a ridge towards an endless asymmetry (heartrate, lemna) or none at all (lettuce) the sum of squares
    goes on falling from drc's own coefficients, so that these are no optimum. The curve stays where it was.
    """
    x, y = points(name)
    curves, loss = fit_model(x, y, 5, bounded=False, scale=None)
    rss = expected["rss"].iloc[0]
    fall = 1 - 2 * loss[0] / rss
    found, theirs = as_drc(curves[0], expected), expected["estimate"].to_dict()
    away = {p for p, row in expected.iterrows() if abs(found[p] - row["estimate"]) >= row["se"]}
    if name not in RIDGES:
        assert -1e-9 <= fall < RIDGE and not away
        return
    expected_fall, moved = RIDGES[name]
    assert fall == pytest.approx(expected_fall, rel=0.02) and away == moved
    scatter = np.sqrt(rss / (y.size - 5))
    apart = np.abs(logistic(found, x[0]) - logistic(theirs, x[0])).max()
    assert np.sum((logistic(theirs, x[0]) - y[0]) ** 2) == pytest.approx(rss, rel=1e-6)
    assert apart < 0.1 * scatter


def logistic(drc: dict[str, float], x: np.ndarray) -> np.ndarray:
    """LL.5 as drc writes it down, over log10 doses."""
    with np.errstate(divide="ignore", over="ignore"):
        rise = np.exp(drc["b"] * (np.log(10.0) * x - np.log(drc["e"])))
    return drc["c"] + (drc["d"] - drc["c"]) * np.exp(-drc["f"] * np.log1p(rise))


def test_nplr_curves_without_weights_are_no_better() -> None:
    """nplr's unweighted fits of four parameters and fewer leave no smaller sum of squares than ours."""
    data = pd.read_csv(DATA / "nplr_example_data.csv")
    table = pd.read_csv(DATA / "nplr_fits.csv")
    table = table[(table["weights"] == "noweight") & (table["npars"] == 4)]
    assert len(table) >= 3
    for row in table.to_dict("records"):
        part = data[data["dataset"] == row["dataset"]]
        x = np.log10(part["x"]) if part["useLog"].iloc[0] else part["x"]
        x, y = x.to_numpy(dtype=float)[None], part["y"].to_numpy(dtype=float)[None]
        _, loss = fit_model(x, y, 4, bounded=False, scale=None)
        theirs = np.array([[row[n]] for n in ("bottom", "top", "xmid", "scal", "s")])
        rss = 2 * curves_loss(theirs, without_zero(x.T), y.T)[0]
        assert 2 * loss[0] <= rss * (1 + 1e-6), row["dataset"]
