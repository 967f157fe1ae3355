"""From cells to readouts: one number per well, by what calls the cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.cells.gather import SegmentedPlate, columns_for, whole_cells
from exvivo.cells.label import Labels
from exvivo.plates.base import well_key

MARKER, MORPHOLOGY, RANDOM, ANY = "marker", "morphology", "random", "any"
CANCER, HEALTHY, FRACTION = "cancer", "healthy", "fraction"
FEW, DAMAGED, NOT_CALLED = "few_cells", "damaged", "cells_not_called"
_CALLED = 0.5  # probability from which a network calls a cell cancer


@dataclass(frozen=True)
class CellReadout:
    """Who calls the cells (`by`), and `what` is counted: cancer, healthy, or the fraction of cancer cells."""

    by: str
    what: str


READOUTS: dict[str, CellReadout] = {
    "total_count": CellReadout(ANY, ANY),
    "marker_count": CellReadout(MARKER, CANCER),
    "marker_healthy_count": CellReadout(MARKER, HEALTHY),
    "marker_fraction": CellReadout(MARKER, FRACTION),
    "morphology_fraction": CellReadout(MORPHOLOGY, FRACTION),
    "morphology_fraction_resnet": CellReadout(MORPHOLOGY, FRACTION),
    "cancer_count": CellReadout(MORPHOLOGY, CANCER),
    "healthy_count": CellReadout(MORPHOLOGY, HEALTHY),
    "random_fraction": CellReadout(RANDOM, FRACTION),
}


def count_cells(
    name: str,
    plates: Sequence[SegmentedPlate],
    labels: Labels,
    marker: str,
    calls: Mapping[str, pd.DataFrame],
    *,
    min_cells: int,
    seed: int = 0,
) -> pd.DataFrame:
    """`exvivo.tables.READOUT` of a screen.

    Args:
        name: of the readout, in `READOUTS`.
        plates: of the screen.
        labels: of the screen.
        marker: that calls the cells; empty if none can.
        calls: by plate `row` of its table and `cancer`, the network's probability.
        min_cells: called cells below which a well has no fraction.
        seed: of the permutation of `random_fraction`.

    Counts are of whole cells away from the border; a well without any has 0. Where nothing can call the cells, no well has
    a value.

    """
    readout, rows = READOUTS[name], []
    columns = columns_for(labels.stain, [marker] if marker else [])
    for plate, frame, whole in whole_cells(plates, columns, labels.limits, labels.stain):
        cancer = None
        if labels.limits is not None or readout.by == ANY:
            cancer = _called(readout.by, plate, frame, labels, marker, calls)
        if readout.by == RANDOM and cancer is not None:
            _exchange(cancer, whole, np.random.default_rng([seed, 6, *plate.plate.encode()]))
        rows += _wells(readout, plate, frame["well"].to_numpy(object), whole, cancer, min_cells)
    columns = ["plate", "well", "value", "flag"]
    return pd.DataFrame(rows, columns=columns).astype({"value": "float64"})


def _called(
    by: str,
    plate: SegmentedPlate,
    frame: pd.DataFrame,
    labels: Labels,
    marker: str,
    calls: Mapping[str, pd.DataFrame],
) -> NDArray[np.float64] | None:
    """For each cell 1 (cancer), 0 (healthy) or missing (not called); None where nothing can call any."""
    if by == ANY:
        return np.zeros(len(frame))
    if by == MORPHOLOGY:
        found = calls.get(plate.plate)
        if found is None or not len(found):
            return None
        cancer = np.full(len(frame), np.nan)
        cancer[found["row"].to_numpy()] = found["cancer"].to_numpy() >= _CALLED
        return cancer
    if not marker:
        return None
    return labels.is_cancer(marker, frame[marker].to_numpy(float)).astype(float)


def _exchange(
    cancer: NDArray[np.float64], whole: NDArray[np.bool_], rng: np.random.Generator
) -> None:
    """Exchange the labels of a plate's whole cells: what is left in a well is chance."""
    at = np.flatnonzero(whole)
    cancer[at] = rng.permutation(cancer[at])


def _wells(
    readout: CellReadout,
    plate: SegmentedPlate,
    wells: NDArray[np.object_],
    whole: NDArray[np.bool_],
    cancer: NDArray[np.float64] | None,
    min_cells: int,
) -> list[dict[str, Any]]:
    names = sorted([*plate.done["wells"], *plate.done["damaged"]], key=well_key)
    place = {name: number for number, name in enumerate(names)}
    use = whole if cancer is None else whole & ~np.isnan(cancer)
    at = np.array([place[well] for well in wells[use]], dtype=np.int64)
    counted = np.bincount(at, minlength=len(names))
    positive = np.zeros(len(names))
    if cancer is not None:
        positive = np.bincount(at, cancer[use], minlength=len(names))
    rows = []
    for name, all_cells, diseased in zip(names, counted, positive, strict=True):
        value, flag = _value(readout, float(all_cells), float(diseased), min_cells)
        if cancer is None:
            value, flag = np.nan, NOT_CALLED
        if name in plate.done["damaged"]:
            value, flag = np.nan, DAMAGED
        rows.append({"plate": plate.plate, "well": name, "value": value, "flag": flag})
    return rows


def _value(
    readout: CellReadout, counted: float, diseased: float, min_cells: int
) -> tuple[float, str]:
    if readout.what == FRACTION:
        return (diseased / counted, "") if counted >= max(1, min_cells) else (np.nan, FEW)
    counts = {ANY: counted, CANCER: diseased, HEALTHY: counted - diseased}
    return counts[readout.what], ""
