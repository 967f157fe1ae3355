"""Plate heat maps of the readout as measured and of viability, and the wells without a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from exvivo.figures.heatmap import Cell, heat_map, plate_shape, readout_range
from exvivo.figures.svg import Figure
from exvivo.figures.words import count, dose, percent
from exvivo.report.context import (
    ROLES,
    Context,
    flags_text,
    names,
    number,
    readout_name,
    reason_text,
    text,
)


@dataclass(frozen=True)
class LeftOut:
    """A well that is not used: what is in it, and why."""

    well: str
    content: str
    value: str
    reason: str


@dataclass(frozen=True)
class PlateView:
    """One plate of one readout; `notes` are what admission says of it."""

    plate: str
    readout: str
    figures: list[Figure]
    left_out: list[LeftOut]
    notes: list[str]


@dataclass(frozen=True)
class Plates:
    """The headline's plates, and those of the other readouts."""

    readout: str
    views: list[PlateView]
    others: dict[str, list[PlateView]] = field(default_factory=dict)


def plates(context: Context) -> Plates:
    """Both maps of each plate for the headline readout, viability alone for the others."""
    inputs = context.inputs
    others = {
        readout_name(name): _views(context, name, number_maps=1, first=100 * i)
        for i, name in enumerate(inputs.readouts[1:], start=1)
    }
    views = _views(context, inputs.headline, number_maps=2, first=0) or _unmeasured(context)
    return Plates(readout_name(inputs.headline), views, others)


def _views(context: Context, readout: str, *, number_maps: int, first: int) -> list[PlateView]:
    frame = context.inputs.of(readout)
    limits = readout_range(list(frame["value"]))
    views = []
    for index, plate in enumerate(names(frame["plate"])):
        mine = frame[frame["plate"] == plate]
        views.append(_view(context, plate, readout, mine, limits, number_maps, f"{first + index}"))
    return views


def _unmeasured(context: Context) -> list[PlateView]:
    """The plates of the layout of a screen that has no value at all: what was meant, and why it is missing."""
    layout, views = context.inputs.layout, []
    for index, plate in enumerate(names(layout["plate"])):
        nothing = {
            "readout": context.inputs.headline,
            "value": None,
            "viability": None,
            "flag": "",
            "used": False,
        }
        mine = layout[layout["plate"] == plate].assign(**nothing)
        views.append(
            _view(context, plate, context.inputs.headline, mine, (0.0, 1.0), 1, f"{index}")
        )
    return views


def _view(
    context: Context,
    plate: str,
    readout: str,
    frame: pd.DataFrame,
    limits: tuple[float, float],
    number_maps: int,
    name: str,
) -> PlateView:
    rows = _with_layout(context, plate, frame)
    damaged = _damaged(context, plate)
    reasons = {row["well"]: missing_reason(row, damaged) for row in rows}
    shape = plate_shape([row["well"] for row in rows])
    raw, normal = (_cells(rows, plate, column, reasons) for column in ("value", "viability"))
    maps = [
        heat_map(
            normal, title="Viability", name=f"v{name}", kind="viability", shape=shape, keys=True
        )
    ]
    if number_maps == 2:
        title = f"As measured: {readout_name(readout)}"
        maps.insert(
            0,
            heat_map(
                raw,
                title=title,
                name=f"r{name}",
                kind="readout",
                limits=limits,
                shape=shape,
                keys=True,
            ),
        )
    measured = any(number(row["value"]) is not None for row in rows)
    left_out = [_left_out(row, reasons) for row in rows if measured and _is_left_out(row, reasons)]
    return PlateView(plate, readout, maps, left_out, _notes(context, plate, rows))


def _with_layout(context: Context, plate: str, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The wells of the readout, and those of the layout that the readout lacks."""
    sides = {"negative": "negative_control", "positive": "positive_control"}
    rows = [
        {**row, "mark": sides.get(side, row["role"])}
        for row, side in zip(
            frame.to_dict("records"),
            context.sides(frame, text(frame["readout"].iloc[0])),
            strict=True,
        )
    ]
    present = {row["well"] for row in rows}
    layout = context.inputs.layout
    for row in layout[layout["plate"] == plate].to_dict("records"):
        if row["well"] not in present:
            bare = {
                "value": None,
                "viability": None,
                "flag": "",
                "used": False,
                "mark": row["role"],
            }
            rows.append({**row, **bare})
    return rows


def _damaged(context: Context, plate: str) -> dict[str, str]:
    """Reasons of the wells that admission or projection left out."""
    wells = context.inputs.admissions.get(plate, {}).get("wells") or {}
    found = {
        well: "; ".join(str(f) for f in entry.get("details") or entry.get("flags") or [])
        or "damaged"
        for well, entry in wells.items()
        if entry.get("verdict") == "damaged"
    }
    checked = (context.inputs.admission.get("plates") or {}).get(plate) or {}
    return found | {well: str(reason) for well, reason in (checked.get("damaged") or {}).items()}


def missing_reason(row: dict[str, Any], damaged: dict[str, str]) -> str:
    """Why a well has no value; empty if it has one, or if nothing was meant to be in it."""
    if number(row["value"]) is not None or row["role"] == "empty":
        return ""
    if row["role"] == "excluded":
        return "excluded in the layout"
    if row["well"] in damaged:
        return f"damaged: {damaged[row['well']]}"
    return flags_text(row["flag"]) or "not measured"


def _cells(
    rows: list[dict[str, Any]], plate: str, column: str, reasons: dict[str, str]
) -> list[Cell]:
    return [
        Cell(
            row["well"],
            row["mark"],
            # A plate reader measures empty wells too; a number would claim that something was in them
            number(row[column]) if row["role"] != "empty" else None,
            reasons[row["well"]] or _no_viability(row),
            f"{plate}/{row['well']}",
        )
        for row in rows
    ]


def _no_viability(row: dict[str, Any]) -> str:
    """Why a measured well is not on the scale; a cell asks this only where it has no colour."""
    measured = number(row["value"]) is not None and row["role"] != "empty"
    return (flags_text(row["flag"]) or "no viability") if measured else ""


def _is_left_out(row: dict[str, Any], reasons: dict[str, str]) -> bool:
    """Without a value, or with one that nothing uses although the role would."""
    if reasons[row["well"]]:
        return True
    return number(row["value"]) is not None and not row["used"] and row["role"] != "empty"


def _left_out(row: dict[str, Any], reasons: dict[str, str]) -> LeftOut:
    told = [ROLES.get(row["role"], row["role"]), text(row["treatment"])]
    if number(row["concentration"]) is not None and row["role"] not in ("untreated", "empty"):
        told.append(dose(row["concentration"]))
    reason = reasons[row["well"]] or flags_text(row["flag"]) or ROLES.get(row["role"], "not used")
    return LeftOut(row["well"], ", ".join(t for t in told if t), percent(row["viability"]), reason)


def _notes(context: Context, plate: str, rows: list[dict[str, Any]]) -> list[str]:
    admission = context.inputs.admissions.get(plate, {})
    notes = []
    if admission.get("verdict") and admission["verdict"] != "admitted":
        notes.append(f"Admission: {admission['verdict']}")
    notes += [reason_text(reason).rstrip(".") for reason in admission.get("reasons") or []]
    if admission.get("projection_only"):
        notes.append("Only the instrument's own projections: the middle plane is the projection")
    if not any(number(row["value"]) is not None for row in rows):
        notes.append("No well of this plate has a value")
    flagged = sum(1 for row in rows if text(row["flag"]) and number(row["value"]) is not None)
    if flagged:
        notes.append(f"{count(flagged, 'well')} with a remark: choose a well to read it")
    return notes
