"""The layout truth test: each plate as the layout says, and as the measured wells say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from exvivo.figures.heatmap import Cell, heat_map, plate_shape
from exvivo.figures.svg import Figure
from exvivo.quality.placement import FITS, OTHER
from exvivo.report.context import Context

_SHOWN = 4  # arrangements in a plate's table
_SIGNS = {FITS: ("pass", "fits"), OTHER: ("fail", "fits another way")}


@dataclass(frozen=True)
class Way:
    """One line: an arrangement in words, its evidence in nats, controls as predicted."""

    words: str
    evidence: str
    controls: str


@dataclass(frozen=True)
class PlacementView:
    """One plate: verdict, sentence, the best arrangements, both maps (none where the plate fits)."""

    plate: str
    sign: str
    word: str
    sentence: str
    ways: list[Way]
    figures: list[Figure]


@dataclass(frozen=True)
class PlacementSection:
    """All plates, those that fit another arrangement first; `wrong` counts them."""

    views: list[PlacementView]
    wrong: int


def placement(context: Context) -> PlacementSection:
    """What the test found; maps of all plates."""
    found = context.inputs.layout_truth
    judged = context.inputs.verdict.get("placement") or {}
    plates = [plate for plate in judged if plate in found]
    plates.sort(key=lambda plate: judged[plate]["status"] != OTHER)
    views = [_view(context, i, p, judged[p], found[p]) for i, p in enumerate(plates)]
    return PlacementSection(views, sum(judged[p]["status"] == OTHER for p in plates))


def _view(
    context: Context, number: int, plate: str, told: dict[str, str], entry: dict[str, Any]
) -> PlacementView:
    sign, word = _SIGNS.get(told["status"], ("info", "cannot tell"))
    rows = entry["arrangements"]
    others = sorted(rows[1:], key=lambda row: -row["evidence"])[: _SHOWN - 1]
    ways = [Way(*_texts(row)) for row in [rows[0], *others]]
    layout = context.inputs.layout
    maps = _maps(layout[layout["plate"] == plate], entry, plate, number)
    return PlacementView(plate, sign, word, told["sentence"], ways, maps)


def _texts(row: dict[str, Any]) -> tuple[str, str, str]:
    controls = f"{row['correct']} of {row['controls']}" if row["controls"] else "none measured"
    return row["words"], f"{row['evidence']:.1f}", controls


def _maps(layout: pd.DataFrame, entry: dict[str, Any], plate: str, number: int) -> list[Figure]:
    """Controls where the layout has them, and every well's likeness to the negative control."""
    roles = {"negative": "negative_control", "positive": "positive_control"}
    said = [
        Cell(
            row.well,
            row.role,
            {"negative_control": 1.0, "positive_control": 0.0}.get(row.role),
            key=f"{plate}/{row.well}",
        )
        for row in layout.itertuples()
    ]
    seen = [
        Cell(well, roles.get(entry["side"].get(well, ""), ""), value, "", f"{plate}/{well}")
        for well, value in entry["likeness"].items()
    ]
    shape = plate_shape([cell.well for cell in [*said, *seen]])
    best = max(entry["arrangements"], key=lambda row: row["evidence"])["words"]
    source = "images" if entry["source"] == "images" else entry["source"].replace("_", " ")
    how = {"kind": "readout", "limits": (0.0, 1.0), "shape": shape, "keys": True}
    return [
        heat_map(said, title="Controls as the layout says", name=f"ls{number}", **how),
        heat_map(
            seen, title=f"Likeness to them by {source}; marks: {best}", name=f"lp{number}", **how
        ),
    ]
