"""Residual maps: what the fitted curves leave over in each well, with the patterns that were found."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from exvivo.figures.heatmap import Cell, heat_map, plate_shape
from exvivo.figures.svg import Figure
from exvivo.figures.words import known
from exvivo.quality.residuals import PATTERNS, plate_residuals
from exvivo.report.context import Context, names, readout_name, text

_LIMITS = (-0.3, 0.3)  # of the colours, viability
_TROUBLE = ("warn", "fail")


@dataclass(frozen=True)
class ResidualView:
    """One plate: `nrfe` in words, the patterns that chance does not explain, all tests, the map."""

    plate: str
    nrfe: str
    sign: str
    found: list[str]
    tests: list[tuple[str, str]]
    figure: Figure


@dataclass(frozen=True)
class Residuals:
    """All plates of the headline readout, those with a pattern first; `trouble` counts them."""

    readout: str
    views: list[ResidualView]
    trouble: int


def residuals(context: Context) -> Residuals:
    """The section's content; without plates where nothing has a curve."""
    headline = context.inputs.headline
    curves = context.inputs.curves
    own = curves[curves["readout"] == headline]
    left = plate_residuals(context.inputs.of(headline), own)
    views = [
        _view(context, i, plate, left[left["plate"] == plate])
        for i, plate in enumerate(names(left["plate"]))
    ]
    views.sort(key=lambda view: not view.found)
    return Residuals(readout_name(headline), views, sum(bool(view.found) for view in views))


def _view(context: Context, number: int, plate: str, part: pd.DataFrame) -> ResidualView:
    table = context.inputs.quality
    mine = table[(table["readout"] == context.inputs.headline) & (table["scope"] == plate)]
    rows = {row["metric"]: row for row in mine.to_dict("records")}
    tests = [(name, rows[f"residual_{name}"]) for name in PATTERNS if f"residual_{name}" in rows]
    found = [f"{name}: {text(row['note'])}" for name, row in tests if row["verdict"] in _TROUBLE]
    error = rows.get("nrfe", {})
    size = f"{error['value']:.1f} %" if known(error.get("value")) else "unknown"
    cells = [
        Cell(row.well, "", float(row.residual), "", f"{plate}/{row.well}")
        for row in part.itertuples()
    ]
    layout = context.inputs.layout
    wells = [*layout.loc[layout["plate"] == plate, "well"], *part["well"]]
    figure = heat_map(
        cells,
        title="Viability minus the fitted curve",
        name=f"e{number}",
        kind="viability",
        limits=_LIMITS,
        shape=plate_shape(wells),
        keys=True,
    )
    told = [(name, text(row["note"])) for name, row in tests]
    sign = "warn" if found or error.get("verdict") in _TROUBLE else "pass"
    return ResidualView(plate, size, sign, found, told, figure)
