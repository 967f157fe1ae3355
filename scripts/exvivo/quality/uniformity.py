"""Evenness of a plate, seen on wells in which nothing should have happened."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exvivo.quality.rows import Sheet
from exvivo.quality.statistics import robust_sd
from exvivo.sheets.names import parse_well, row_letters

_MIN_WELLS = 3  # of a row, a column, the edge: fewer have no median to speak of


def add_uniformity(sheet: Sheet, readout: str, wells: pd.DataFrame, inactive: set[tuple]) -> None:
    """Difference in viability between edge and middle, and of the most deviating row and column, per plate.

    `wells` are the used wells of a readout with a column `side`. Looked at are negative controls,
    untreated wells and the wells of `inactive` drugs, pairs (treatment, addon) with the score 0. The edge is
    the outermost ring of the wells in use, since many plates keep their own edge empty.
    """
    for plate, part in wells.groupby("plate", observed=False):
        places = np.array([parse_well(well) for well in part["well"]]).reshape(-1, 2)
        neutral = _neutral(part, inactive)
        edge = _edge(places)
        viability = part["viability"].to_numpy(dtype=float)
        _add_edge(sheet, readout, str(plate), viability[neutral], edge[neutral])
        for name, axis in (("row", 0), ("column", 1)):
            found = _most_deviating(viability[neutral], places[neutral, axis])
            if found is not None:
                index, value = found
                label = row_letters(index) if name == "row" else str(index + 1)
                note = f"{name} {label}: {value:+.3f} from the plate's median"
                sheet.add(readout, str(plate), f"{name}_uniformity", abs(value), note=note)


def _neutral(part: pd.DataFrame, inactive: set[tuple]) -> np.ndarray:
    drugs = zip(part["treatment"], part["addon"], strict=True)
    idle = np.array([drug in inactive for drug in drugs], dtype=bool)
    controls = (part["side"] == "negative") | ((part["role"] == "untreated") & (part["side"] == ""))
    return controls.to_numpy() | (idle & (part["role"] == "treatment").to_numpy())


def _edge(places: np.ndarray) -> np.ndarray:
    """Whether each well (n, 2) lies in the outermost row or column of those in use."""
    if not len(places):
        return np.zeros(0, dtype=bool)
    return ((places == places.min(axis=0)) | (places == places.max(axis=0))).any(axis=1)


def _add_edge(
    sheet: Sheet, readout: str, plate: str, viability: np.ndarray, edge: np.ndarray
) -> None:
    counts = int(edge.sum()), int((~edge).sum())
    if min(counts) < _MIN_WELLS:
        note = f"too few wells without an effect: {counts[0]} at the edge, {counts[1]} inside"
        sheet.add(readout, plate, "edge_effect", None, limit="edge_effect", note=note)
        return
    shift = float(np.median(viability[edge]) - np.median(viability[~edge]))
    spread = robust_sd(viability[~edge])
    in_sd = f", {shift / spread:+.1f} robust sd" if spread > 0 else ""
    note = f"edge minus inside {shift:+.3f}{in_sd}; {counts[0]} and {counts[1]} wells"
    sheet.add(readout, plate, "edge_effect", abs(shift), limit="edge_effect", note=note)


def _most_deviating(viability: np.ndarray, lines: np.ndarray) -> tuple[int, float] | None:
    """The row or column whose median is farthest from that of all, and by how much."""
    if not len(viability):
        return None
    middle = np.median(viability)
    shifts = {
        int(line): float(np.median(viability[lines == line]) - middle)
        for line in np.unique(lines)
        if (lines == line).sum() >= _MIN_WELLS
    }
    return max(shifts.items(), key=lambda item: abs(item[1])) if shifts else None
