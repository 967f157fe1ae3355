"""What a network of one screen and marker learns from: crops of whole cells, called by the marker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exvivo.cells.gather import Excluded, SegmentedPlate, columns_for, is_excluded
from exvivo.cells.label import Labels
from exvivo.crops import CropReader, CropSettings, open_crops
from exvivo.crops.plate import read_index
from exvivo.errors import TrainingError
from exvivo.morphology.data import CellSet, balance
from exvivo.segmentation.limits import flag_cells


def training_cells(
    plates: Sequence[SegmentedPlate],
    crops: Mapping[str, tuple[Path, Path]],
    labels: Labels,
    marker: str,
    *,
    per_class: int,
    sample: str,
    excluded: Excluded | None = None,
    seed: int = 0,
) -> tuple[CellSet, CropSettings]:
    """At most `per_class` cells of each class, at random from all wells, and what their crops are.

    Args:
        plates: of the screen.
        crops: by plate the store and the table that says which cells its crops show.
        labels: of the screen.
        marker: that calls the cells.
        per_class: published 5,000.
        sample: name of the group that all these cells belong to.
        excluded: wells that are not learnt from.
        seed: of the choice.

    Raises `TrainingError` where a class has fewer than ten cells.

    """
    columns = columns_for(labels.stain, [marker])
    stores, rows, calls = [], [], []
    for plate in plates:
        frame, index = plate.cells(columns), read_index(crops[plate.plate][1])
        frame = frame.iloc[index]
        whole = flag_cells(frame, labels.limits, labels.stain) == "" if labels.limits else False
        own = np.flatnonzero(whole & ~is_excluded(plate.plate, frame["well"], excluded or {}))
        stores.append(open_crops(crops[plate.plate][0]))
        rows.append(own)
        calls.append(labels.is_cancer(marker, frame[marker].to_numpy(float)[own]))
    cancer = np.concatenate(calls) if calls else np.empty(0, bool)
    chosen = balance(cancer, [sample] * len(cancer), per_class, seed)
    if len(chosen) < 20:
        raise TrainingError(
            "too few cells to learn from",
            expected="at least ten cells of each class",
            found=f"{int(cancer.sum())} called cancer, {int((~cancer).sum())} healthy",
            where=f"marker {marker}",
        )
    reader = CropReader(stores, _wanted(rows, chosen))
    images = np.concatenate([block for _, block in reader.in_order()])
    data = CellSet(images, cancer[chosen], [sample] * len(chosen), stores[0].settings.size)
    return data, stores[0].settings


def _wanted(rows: list[NDArray[np.int64]], chosen: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Chosen places among all rows as rows of each store."""
    ends = np.cumsum([len(own) for own in rows])
    starts = ends - [len(own) for own in rows]
    return [
        own[chosen[(chosen >= start) & (chosen < end)] - start]
        for own, start, end in zip(rows, starts, ends, strict=True)
    ]
