"""The controls of each plate as images, with what the readout says of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from exvivo.figures.words import MISSING, fixed, percent
from exvivo.report.context import Context, names, number

OUTLIER = 3.0  # robust standard deviations from the median of the plate's own kind, and
OUTLIER_POINTS = (
    0.15  # of viability: few wells that happen to agree make no outlier of the rest (ours)
)
MOST = 24  # images of one kind on one plate; the rest is in the heat map


@dataclass(frozen=True)
class ControlWell:
    """One control: `uri` is empty where there is no image."""

    well: str
    key: str
    uri: str
    value: str
    viability: str
    outlier: bool
    text: str


@dataclass(frozen=True)
class ControlGroup:
    """The controls of one kind on one plate; `hidden` more are not shown."""

    plate: str
    role: str
    title: str
    wells: list[ControlWell]
    hidden: int


@dataclass(frozen=True)
class Montage:
    """The section's content."""

    groups: list[ControlGroup]
    outliers: int
    with_images: bool


_TITLES = {"negative": "Negative controls", "positive": "Positive controls"}


def montage(context: Context) -> Montage:
    """Negative, then positive controls of each plate of the headline readout; outliers come first."""
    frame = context.responses
    groups = [
        _group(context, plate, role, frame[(frame["plate"] == plate) & (frame["side"] == role)])
        for plate in names(frame["plate"])
        for role in _TITLES
    ]
    groups = [group for group in groups if group.wells]
    outliers = sum(well.outlier for group in groups for well in group.wells)
    return Montage(groups, outliers, bool(context.images.uris))


def outlying(viability: list[float]) -> list[bool]:
    """Which viabilities (fractions) lie more than `OUTLIER` robust standard deviations and `OUTLIER_POINTS`
    from their median.

    The robust standard deviation is 1.4826 times the median absolute deviation. Fewer than four values have
    no outlier; a missing value is none.
    """
    data = np.asarray(viability, dtype=float)
    if np.isfinite(data).sum() < 4:
        return [False] * len(data)
    distance = np.abs(data - np.nanmedian(data))
    spread = 1.4826 * float(np.nanmedian(distance))
    return [bool(d > max(OUTLIER * spread, OUTLIER_POINTS)) for d in distance]


def _group(context: Context, plate: str, role: str, frame: pd.DataFrame) -> ControlGroup:
    rows = [r for r in frame.to_dict("records") if number(r["value"]) is not None]
    marks = outlying([float(r["viability"]) for r in rows])
    order = sorted(range(len(rows)), key=lambda i: (not marks[i], i))
    wells = []
    for index in order[:MOST]:
        row, key = rows[index], f"{plate}/{rows[index]['well']}"
        value, viability = fixed(row["value"], 2), percent(row["viability"])
        told = (
            f"{_TITLES[role][:-1]} {row['well']} of plate {plate}: {value}, viability {viability}"
        )
        told += ", outlier" if marks[index] else ""
        uri = context.image(plate, row["well"])
        viability = viability if viability != MISSING else ""
        wells.append(ControlWell(row["well"], key, uri, value, viability, marks[index], told))
    return ControlGroup(plate, role, _TITLES[role], wells, max(len(rows) - MOST, 0))
